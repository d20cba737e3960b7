// A directory held open, and the one resolver for paths that come from images, contexts, archives or containers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "libcommon/os/file.h"
#include "libcommon/os/unique_fd.h"

namespace proa::os {

class Dir {
 public:
  // Opens a directory of ours by path.
  static Dir open(const Path& path, int at = AT_FDCWD);
  explicit Dir(UniqueFd fd, Path name) : fd_(std::move(fd)), name_(std::move(name)) {}

  int fd() const noexcept { return fd_.get(); }
  const Path& name() const noexcept { return name_; }  // for messages only

  // Resolves `path` with this directory as root: absolute paths and links, and "..", stay inside (openat2
  // RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, Linux 5.6; where openat2 is refused: component by component with O_PATH |
  // O_NOFOLLOW). The result is a descriptor opened with `flags`; it is never turned back into a string.
  UniqueFd open_in_root(const Path& path, int flags, mode_t mode = 0) const;
  std::optional<UniqueFd> try_open_in_root(const Path& path, int flags, mode_t mode = 0) const;

  // The directory that holds the last component of `path`, resolved in this root, and that component (never "", "." or
  // ".."). `path` naming the root itself throws InvalidArgument.
  std::pair<UniqueFd, std::string> open_parent_in_root(const Path& path) const;
  // mkdir -p inside the root, following links inside it; returns the directory opened with O_PATH.
  UniqueFd make_dirs_in_root(const Path& path, mode_t mode = 0755) const;

 private:
  UniqueFd fd_;
  Path name_;
};

// Names in a directory, without "." and "..", in the order of bytes.
std::vector<std::string> list_dir(int dir_fd, const Path& name);
std::vector<std::string> list_dir(const Path& path);

}  // namespace proa::os
