#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "libcommon/archive/archive_reader.h"
#include "libcommon/base/error.h"
#include "libcommon/os/file.h"
#include "libcommon/transport/file_tree.h"
#include "libcommon/transport/temp_file.h"

namespace proa::transport {

namespace {

class TarTree final : public FileTree {
 public:
  TarTree(os::UniqueFd file, const std::string& name)
      : reader_(archive::ArchiveReader::open(std::move(file), name, temp_folder())) {}

  std::string name() const override { return reader_.name(); }

  std::optional<std::uint64_t> size(const std::string& file) const override {
    return reader_.contains(file) ? std::optional(reader_.size(file)) : std::nullopt;
  }

  std::unique_ptr<io::Source> try_open(const std::string& file) const override {
    return reader_.contains(file) ? reader_.open_member(file) : nullptr;
  }

 private:
  archive::ArchiveReader reader_;
};

}  // namespace

std::unique_ptr<FileTree> open_tar_tree(os::UniqueFd file, const std::string& name) {
  struct stat found {};
  if (::fstat(file.get(), &found) != 0) throw system_error(fmt::format("fstat {}", name));
  // Reading a device could have effects or never end.
  if (S_ISCHR(found.st_mode) || S_ISBLK(found.st_mode)) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("{} is a device, neither a file nor a pipe", name));
  }
  return std::make_unique<TarTree>(std::move(file), name);
}

std::unique_ptr<FileTree> open_tar_tree(const std::string& path) {
  if (path != "-") return open_tar_tree(os::open(path, O_RDONLY), path);
  if (::isatty(STDIN_FILENO) == 1) {
    throw Error(ErrorCode::InvalidArgument, "cannot read an archive from a terminal", "redirect standard input");
  }
  os::UniqueFd input(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!input.valid()) throw system_error("duplicate standard input");
  return open_tar_tree(std::move(input), "standard input");
}

}  // namespace proa::transport
