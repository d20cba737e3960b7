// Open directories of the tree that a layer is written to, so that a file costs no walk of its path.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "libcommon/os/dir.h"

namespace proa::archive {

class ParentCache {
 public:
  explicit ParentCache(const os::Dir& root) : root_(root) {}

  // An O_PATH descriptor of the directory, resolved in the root; valid until the next call. Missing directories are
  // made, with mode 0755, also where a link inside the root points to a place that does not exist yet.
  int open(std::string_view path);
  // The same without making anything; -1 when there is no such directory.
  int find(std::string_view path);
  // Must be called when a directory or a symbolic link was removed or replaced: paths may lead elsewhere now.
  void clear();

 private:
  void make(const std::string& path, int depth);

  static constexpr std::size_t kCapacity = 256;
  const os::Dir& root_;
  std::unordered_map<std::string, os::UniqueFd> open_;
  std::string last_path_;
  int last_ = -1;
};

}  // namespace proa::archive
