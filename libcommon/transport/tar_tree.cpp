#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "libcommon/base/error.h"
#include "libcommon/io/compression.h"
#include "libcommon/os/file.h"
#include "libcommon/transport/file_tree.h"
#include "libcommon/transport/tar_index.h"
#include "libcommon/transport/temp_file.h"

namespace proa::transport {

namespace {

// A stretch of an open file. pread keeps readers in several threads apart.
class RegionSource final : public io::Source {
 public:
  RegionSource(int fd, std::uint64_t offset, std::uint64_t size, std::string name)
      : fd_(fd), offset_(offset), left_(size), name_(std::move(name)) {}

  std::size_t read(io::Buffer buffer) override {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_));
    if (wanted == 0) return 0;
    ssize_t got = 0;
    do {
      got = ::pread(fd_, buffer.data(), wanted, static_cast<off_t>(offset_));
    } while (got < 0 && errno == EINTR);
    if (got < 0) throw system_error(fmt::format("read {}", name_));
    if (got == 0) throw Error(ErrorCode::Corrupt, fmt::format("{} became shorter while it was read", name_));
    offset_ += static_cast<std::uint64_t>(got);
    left_ -= static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
  }

 private:
  int fd_;
  std::uint64_t offset_;
  std::uint64_t left_;
  std::string name_;
};

class TarTree final : public FileTree {
 public:
  TarTree(os::UniqueFd fd, std::string name)
      : fd_(std::move(fd)), name_(std::move(name)), members_(read_tar_index(fd_.get(), name_)) {}

  std::string name() const override { return name_; }

  std::optional<std::uint64_t> size(const std::string& file) const override {
    const auto* member = find(file);
    return member == nullptr ? std::nullopt : std::optional(member->size);
  }

  std::unique_ptr<io::Source> try_open(const std::string& file) const override {
    const auto* member = find(file);
    if (member == nullptr) return nullptr;
    return std::make_unique<RegionSource>(fd_.get(), member->offset, member->size, name_);
  }

 private:
  const TarMember* find(const std::string& file) const {
    std::string at = clean_member_name(file);
    for (int hops = 0; hops < 10; ++hops) {  // links may form a loop
      const auto found = members_.find(at);
      if (found == members_.end()) return nullptr;
      const TarMember& member = found->second;
      if (member.link.empty()) return &member;
      const auto slash = at.rfind('/');
      const bool relative = member.symbolic && slash != std::string::npos && member.link.front() != '/';
      at = clean_member_name(relative ? at.substr(0, slash + 1) + member.link : member.link);
    }
    return nullptr;
  }

  os::UniqueFd fd_;
  std::string name_;
  StringMap<TarMember> members_;
};

io::Compression compression_of(int fd, const std::string& name) {
  std::byte head[4];
  const auto got = ::pread(fd, head, sizeof head, 0);
  if (got < 0) throw system_error(fmt::format("read {}", name));
  return io::detect_compression(io::Bytes(head, static_cast<std::size_t>(got)));
}

os::UniqueFd spool(os::UniqueFd from, const std::string& name) {
  While spooling{[&] { return fmt::format("unpacking {} to a temporary file", name); }};
  auto source = io::decompress_any(std::make_unique<io::FdSource>(std::move(from), name));
  io::FdSink sink(nameless_temp_file(), "temporary file");
  io::copy(*source, sink);
  return os::UniqueFd(::fcntl(sink.fd(), F_DUPFD_CLOEXEC, 3));
}

}  // namespace

std::unique_ptr<FileTree> open_tar_tree(os::UniqueFd file, const std::string& name) {
  struct stat found {};
  if (::fstat(file.get(), &found) != 0) throw system_error(fmt::format("fstat {}", name));
  if (S_ISDIR(found.st_mode))
    throw Error(ErrorCode::InvalidArgument, fmt::format("{} is a directory, not an archive", name));
  const bool seekable = S_ISREG(found.st_mode);
  if (!seekable && !S_ISFIFO(found.st_mode) && !S_ISSOCK(found.st_mode)) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("{} is neither a file nor a pipe", name));
  }
  if (!seekable || compression_of(file.get(), name) != io::Compression::None) file = spool(std::move(file), name);
  return std::make_unique<TarTree>(std::move(file), name);
}

std::unique_ptr<FileTree> open_tar_tree(const std::string& path) {
  return open_tar_tree(os::open(path, O_RDONLY), path);
}

}  // namespace proa::transport
