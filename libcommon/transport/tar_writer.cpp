#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <set>
#include <vector>

#include "libcommon/base/error.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/os/file.h"
#include "libcommon/transport/temp_file.h"
#include "libcommon/transport/tree_writer.h"

namespace proa::transport {

namespace {

using Block = std::array<char, 512>;

void octal(Block& block, std::size_t offset, std::size_t size, std::uint64_t value) {
  const std::string digits = fmt::format("{:0{}o}", value, size - 1);
  if (digits.size() < size) {
    std::copy(digits.begin(), digits.end(), block.begin() + static_cast<std::ptrdiff_t>(offset));
    return;
  }
  for (std::size_t i = 0; i < size; ++i) {  // base-256 above 8 GiB
    block[offset + size - 1 - i] = static_cast<char>(value & 0xff);
    value >>= 8;
  }
  block[offset] = static_cast<char>(block[offset] | 0x80);
}

// Equal content gives equal archives: no times, no owners.
Block header(std::string_view name, std::uint64_t size, char type, std::string_view link = {}) {
  Block block{};
  PROA_CHECK(name.size() <= 100 && link.size() <= 100);
  std::copy(name.begin(), name.end(), block.begin());
  octal(block, 100, 8, type == '5' ? 0755 : type == '2' ? 0777 : 0644);
  octal(block, 108, 8, 0);
  octal(block, 116, 8, 0);
  octal(block, 124, 12, size);
  octal(block, 136, 12, 0);
  block[156] = type;
  std::copy(link.begin(), link.end(), block.begin() + 157);
  std::memcpy(block.data() + 257, "ustar\00000", 8);
  std::memset(block.data() + 148, ' ', 8);
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  std::memcpy(block.data() + 148, fmt::format("{:06o}", sum).c_str(), 7);
  return block;
}

// "LEN path=NAME\n", where LEN counts itself (POSIX pax).
std::string pax_path(std::string_view name) {
  std::size_t length = name.size() + 7;
  while (fmt::format("{}", length).size() + name.size() + 7 != length)
    length = fmt::format("{}", length).size() + name.size() + 7;
  return fmt::format("{} path={}\n", length, name);
}

class TarWriter final : public TreeWriter {
 public:
  explicit TarWriter(const std::string& path) : path_(path) {
    // Also through a symbolic link, as /dev/stdout is one.
    const auto found = os::try_stat(path);
    direct_ = found && !S_ISREG(found->st_mode);
    if (found && S_ISDIR(found->st_mode))
      throw Error(ErrorCode::InvalidArgument, fmt::format("{} is a directory", path));
    const auto slash = path.rfind('/');
    folder_ = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
    base_ = slash == std::string::npos ? path : path.substr(slash + 1);
    if (direct_) {
      file_ = nameless_temp_file();
      return;
    }
    const int fd = ::open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
    if (fd >= 0) {
      file_ = os::UniqueFd(fd);
      return;
    }
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) throw system_error(fmt::format("create {}", path));
    temporary_ = temporary_name();
    file_ = os::open(temporary_, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  }

  explicit TarWriter(TakeArchive take) : take_(std::move(take)), path_("the archive"), file_(nameless_temp_file()) {}

  ~TarWriter() override {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  StoredBlob put_blob(const BlobPlan& plan, io::Source& content, const PathOf& path_of, std::stop_token stop) override {
    const std::lock_guard guard(mutex_);
    folders_of(path_of(plan.digest ? *plan.digest : io::digest_of("")));
    const std::uint64_t start = at_;
    if (plan.digest) long_name(path_of(*plan.digest));
    const std::uint64_t header_at = at_;
    at_ += sizeof(Block);
    Sink sink(*this);
    try {
      StoredBlob stored = store_content(plan, content, sink, stop);
      const std::string path = path_of(stored.digest);
      if (names_.contains(path)) {  // the same blob twice
        at_ = start;
        return stored;
      }
      pad();
      write_at(header_at, block_text(header(short_name(path), stored.size, '0')));
      names_.insert(path);
      return stored;
    } catch (...) {
      at_ = start;
      throw;
    }
  }

  void put_text(const std::string& path, std::string_view text) override {
    const std::lock_guard guard(mutex_);
    member(path, text, '0');
  }

  void put_link(const std::string& path, const std::string& target) override {
    const std::lock_guard guard(mutex_);
    append(block_text(header(path, 0, '2', target)));
  }

  bool has(const std::string& path) const override {
    const std::lock_guard guard(mutex_);
    return names_.contains(path);
  }

  void commit() override {
    append(std::string(2 * sizeof(Block), '\0'));
    if (::ftruncate(file_.get(), static_cast<off_t>(at_)) != 0) throw system_error(fmt::format("truncate {}", path_));
    if (take_) {
      if (::lseek(file_.get(), 0, SEEK_SET) != 0) throw system_error("seek in a temporary file");
      take_(std::move(file_), at_);
      return;
    }
    if (direct_) {
      copy_out();
      return;
    }
    if (::fsync(file_.get()) != 0) throw system_error(fmt::format("fsync {}", path_));
    if (temporary_.empty()) {
      // linkat cannot replace a file, rename can.
      const std::string name = temporary_name();
      if (::linkat(AT_FDCWD, os::fd_path(file_.get()).c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
        throw system_error(fmt::format("create {}", path_));
      }
      temporary_ = name;
    }
    apply_umask();
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw system_error(fmt::format("rename to {}", path_));
    temporary_.clear();
    const auto folder = os::open(folder_, O_RDONLY | O_DIRECTORY);
    if (::fsync(folder.get()) != 0) throw system_error(fmt::format("fsync {}", folder_));
  }

 private:
  class Sink final : public io::Sink {
   public:
    explicit Sink(TarWriter& writer) : writer_(writer) {}
    void write(io::Bytes data) override { writer_.append(io::as_text(data)); }

   private:
    TarWriter& writer_;
  };

  static std::string_view block_text(const Block& block) { return {block.data(), block.size()}; }
  static std::string_view short_name(std::string_view name) { return name.substr(0, 100); }

  std::string temporary_name() const { return os::join(folder_, "." + base_.substr(0, 200) + "." + random_hex(8)); }

  // An existing file keeps its mode, as with tools that write in place.
  void apply_umask() const {
    const auto found = os::try_stat(path_, AT_FDCWD, 0);
    if (found && ::fchmod(file_.get(), found->st_mode & 0777) != 0) throw system_error(fmt::format("chmod {}", path_));
  }

  void write_at(std::uint64_t offset, std::string_view text) {
    while (!text.empty()) {
      const auto done = ::pwrite(file_.get(), text.data(), text.size(), static_cast<off_t>(offset));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) throw system_error(fmt::format("write {}", path_));
      offset += static_cast<std::uint64_t>(done);
      text.remove_prefix(static_cast<std::size_t>(done));
    }
  }
  void append(std::string_view text) {
    write_at(at_, text);
    at_ += text.size();
  }
  void pad() {
    if (at_ % sizeof(Block) != 0) append(std::string(sizeof(Block) - at_ % sizeof(Block), '\0'));
  }
  // Readers that make missing folders themselves try to give them to root, which an ordinary user cannot.
  void folders_of(std::string_view path) {
    for (auto slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
      const std::string folder(path.substr(0, slash + 1));
      if (names_.insert(folder).second) append(block_text(header(folder, 0, '5')));
    }
  }
  void long_name(std::string_view path) {
    if (path.size() <= 100) return;
    const std::string record = pax_path(path);
    append(block_text(header("././@PaxHeader", record.size(), 'x')));
    append(record);
    pad();
  }
  void member(const std::string& path, std::string_view content, char type) {
    if (!names_.insert(path).second) return;
    long_name(path);
    append(block_text(header(short_name(path), content.size(), type)));
    append(content);
    pad();
  }

  void copy_out() {
    // Opening /dev/stdout anew would start at the file's beginning, whatever the shell's >> meant.
    auto out = path_ == "/dev/stdout" ? os::UniqueFd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3))
                                      : os::open(path_, O_WRONLY | O_TRUNC);
    if (!out.valid()) throw system_error("duplicate standard output");
    if (::lseek(file_.get(), 0, SEEK_SET) != 0) throw system_error("seek in a temporary file");
    io::FdSource source(std::move(file_), "temporary file");
    io::FdSink sink(std::move(out), path_);
    io::copy(source, sink);
  }

  TakeArchive take_;
  std::string path_, folder_, base_;
  bool direct_ = false;
  os::UniqueFd file_;
  std::string temporary_;
  mutable std::mutex mutex_;
  std::uint64_t at_ = 0;
  std::set<std::string> names_;
};

}  // namespace

std::unique_ptr<TreeWriter> make_tar_writer(const std::string& path) {
  return std::make_unique<TarWriter>(path == "-" ? "/dev/stdout" : path);
}

std::unique_ptr<TreeWriter> make_tar_writer(TakeArchive take) { return std::make_unique<TarWriter>(std::move(take)); }

}  // namespace proa::transport
