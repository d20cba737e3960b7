#include "libcommon/archive/archive_reader.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "libcommon/archive/import.h"
#include "libcommon/archive/tar_reader.h"
#include "libcommon/base/error.h"
#include "libcommon/io/compression.h"

namespace proa::archive {
namespace {

constexpr int kMaxLinks = 10;
constexpr std::size_t kMaxMembers = 100'000;  // a thousand layers with three files each, many times over

// A part of a file, read with pread: several may be read side by side.
class RangeSource final : public io::Source {
 public:
  RangeSource(std::shared_ptr<const os::UniqueFd> file, std::uint64_t offset, std::uint64_t size, std::string name)
      : file_(std::move(file)), at_(offset), left_(size), name_(std::move(name)) {}

  std::size_t read(io::Buffer buffer) override {
    auto want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_));
    if (want == 0) return 0;
    ssize_t got;
    do {
      got = ::pread(file_->get(), buffer.data(), want, static_cast<off_t>(at_));
    } while (got < 0 && errno == EINTR);
    if (got < 0) throw system_error("read " + name_);
    if (got == 0) throw Error(ErrorCode::Corrupt, name_ + ": ends too early");
    at_ += static_cast<std::uint64_t>(got);
    left_ -= static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
  }

 private:
  std::shared_ptr<const os::UniqueFd> file_;
  std::uint64_t at_, left_;
  std::string name_;
};

// Headers are far apart: small reads, so that what is skipped is not read first.
class HeaderSource final : public io::Source {
 public:
  explicit HeaderSource(int fd) : fd_(fd) {}
  std::size_t read(io::Buffer buffer) override {
    return os::read_some(fd_, buffer.first(std::min<std::size_t>(buffer.size(), 16 * 1024)), "archive");
  }

 private:
  int fd_;
};

// "a/./b//c" -> "a/b/c"; ".." is resolved within the archive and never leaves it.
std::string clean_name(std::string_view name) {
  std::vector<std::string> parts;
  for (auto& part : split(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(std::move(part));
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  return join(parts, "/");
}

std::string directory_of(const std::string& name) {
  auto slash = name.rfind('/');
  return slash == std::string::npos ? "" : name.substr(0, slash + 1);
}

os::UniqueFd spool(std::unique_ptr<io::Source> source, const os::Path& staging) {
  os::UniqueFd file = os::open(staging, O_TMPFILE | O_RDWR, 0600);
  io::FdSink sink(std::move(file), "temporary file in " + staging);
  io::copy(*source, sink);
  return std::move(sink).take();
}

}  // namespace

ArchiveReader::ArchiveReader(os::UniqueFd file, std::string name)
    : file_(std::make_shared<const os::UniqueFd>(std::move(file))), name_(std::move(name)) {}

ArchiveReader ArchiveReader::open(os::UniqueFd file, std::string name, const os::Path& staging) {
  const While opening{[shown = escape_control(name)] { return "reading archive " + shown; }};
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) throw system_error("stat " + name);
  if (S_ISDIR(info.st_mode)) throw Error(ErrorCode::InvalidArgument, "it is a directory, not an archive");
  bool in_place = false;
  if (S_ISREG(info.st_mode)) {
    std::array<std::byte, kTarHeadSize> head{};
    ssize_t got = ::pread(file.get(), head.data(), head.size(), 0);
    in_place = got == static_cast<ssize_t>(head.size()) && looks_like_tar(head);
  }
  if (!in_place) {
    auto [source, head] =
        io::peek(decompress_import(std::make_unique<io::FdSource>(std::move(file), name)), kTarHeadSize);
    // Before anything is copied: the disk is not filled for what is no archive.
    if (!looks_like_tar(io::as_bytes(head))) throw Error(ErrorCode::Corrupt, "it is no tar archive");
    file = spool(std::move(source), staging);
  }
  ArchiveReader reader(std::move(file), std::move(name));
  reader.index();
  return reader;
}

void ArchiveReader::index() {
  const int fd = file_->get();
  struct stat info {};
  if (::fstat(fd, &info) != 0) throw system_error("stat " + name_);
  const auto file_size = static_cast<std::uint64_t>(info.st_size);
  if (::lseek(fd, 0, SEEK_SET) < 0) throw system_error("seek in " + name_);
  HeaderSource source(fd);
  TarReader reader(source, [&](std::uint64_t count) {
    if (::lseek(fd, static_cast<off_t>(count), SEEK_CUR) < 0) throw system_error("seek in " + name_);
  });
  TarEntry entry;
  std::size_t count = 0;
  while (reader.next(entry)) {
    if (++count > kMaxMembers) throw Error(ErrorCode::LimitExceeded, "more than 100000 members");
    if (entry.kind == EntryKind::Directory) continue;
    std::string name = clean_name(entry.path);
    Member member{entry.offset, entry.size, {}};
    if (entry.sparse) throw Error(ErrorCode::Unsupported, "member " + escape_control(name) + " is stored sparse");
    if (entry.kind == EntryKind::File) {
      if (entry.offset + entry.size > file_size) throw Error(ErrorCode::Corrupt, "ends within " + escape_control(name));
    } else if (entry.kind == EntryKind::Symlink) {
      // As the kernel would resolve it with the archive unpacked into a root of its own.
      member.link = clean_name(entry.link.starts_with('/') ? entry.link : directory_of(name) + entry.link);
    } else if (entry.kind == EntryKind::HardLink) {
      member.link = clean_name(entry.link);
    } else {
      throw Error(ErrorCode::Unsupported, "member " + escape_control(name) + " is a device or a FIFO");
    }
    // Some readers take the first one, some the last one.
    if (!members_.emplace(name, std::move(member)).second) {
      throw Error(ErrorCode::Corrupt, "two members are named " + escape_control(name));
    }
  }
}

const ArchiveReader::Member& ArchiveReader::resolve(std::string_view member) const {
  std::string name = clean_name(member);
  for (int links = 0; links <= kMaxLinks; ++links) {
    auto found = members_.find(name);
    if (found == members_.end()) {
      throw Error(ErrorCode::NotFound, escape_control(name_) + " has no member " + escape_control(name));
    }
    if (found->second.link.empty()) return found->second;
    name = found->second.link;
  }
  throw Error(ErrorCode::Corrupt, escape_control(name_) + ": too many links at " + escape_control(member));
}

bool ArchiveReader::contains(std::string_view member) const { return members_.contains(clean_name(member)); }

std::uint64_t ArchiveReader::size(std::string_view member) const { return resolve(member).size; }

std::unique_ptr<io::Source> ArchiveReader::open_member(std::string_view member) const {
  const auto& found = resolve(member);
  return std::make_unique<RangeSource>(file_, found.offset, found.size, name_);
}

std::string ArchiveReader::read_member(std::string_view member, std::uint64_t max_size) const {
  const auto& found = resolve(member);
  if (found.size > max_size) {
    throw Error(ErrorCode::LimitExceeded, escape_control(name_) + ": member " + escape_control(member) + " has " +
                                              std::to_string(found.size) + " bytes; at most " +
                                              std::to_string(max_size) + " are read");
  }
  return io::read_all(*open_member(member), max_size, member);
}

std::vector<std::string> ArchiveReader::members() const {
  std::vector<std::string> names;
  for (const auto& [name, member] : members_) {
    if (member.link.empty()) names.push_back(name);
  }
  return names;
}

}  // namespace proa::archive
