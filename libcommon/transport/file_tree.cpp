#include "libcommon/transport/file_tree.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/dir.h"

namespace proa::transport {

namespace {

class DirectoryTree final : public FileTree {
 public:
  explicit DirectoryTree(const std::string& path) : dir_(os::Dir::open(path)) {}

  std::string name() const override { return dir_.name(); }

  std::optional<std::uint64_t> size(const std::string& file) const override {
    const auto found = os::try_stat(file, dir_.fd(), 0);
    if (!found) return std::nullopt;
    if (!S_ISREG(found->st_mode)) not_regular(file);
    return static_cast<std::uint64_t>(found->st_size);
  }

  // Links are followed: layouts with blobs linked from a cache are common, and every blob is verified. Without
  // O_NONBLOCK the open of a FIFO would wait for ever.
  std::unique_ptr<io::Source> try_open(const std::string& file) const override {
    auto fd = os::try_open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, dir_.fd());
    if (!fd) return nullptr;
    struct stat found {};
    if (::fstat(fd->get(), &found) != 0) throw system_error(fmt::format("fstat {}", file));
    if (!S_ISREG(found.st_mode)) not_regular(file);
    return std::make_unique<io::FdSource>(std::move(*fd), os::join(dir_.name(), file));
  }

 private:
  [[noreturn]] void not_regular(const std::string& file) const {
    throw Error(ErrorCode::Corrupt,
                fmt::format("{} is not a regular file", escape_control(os::join(dir_.name(), file))));
  }

  os::Dir dir_;
};

}  // namespace

std::unique_ptr<io::Source> FileTree::open(const std::string& file) const {
  auto source = try_open(file);
  if (!source)
    throw Error(ErrorCode::NotFound, fmt::format("{} has no file {}", escape_control(name()), escape_control(file)));
  return source;
}

std::string FileTree::read(const std::string& file, std::uint64_t max_size) const {
  auto source = open(file);
  return io::read_all(*source, max_size, fmt::format("{} in {}", escape_control(file), escape_control(name())));
}

std::unique_ptr<FileTree> open_directory_tree(const std::string& path) { return std::make_unique<DirectoryTree>(path); }

}  // namespace proa::transport
