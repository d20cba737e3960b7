// The tree of files that layers make together, and what differs between two of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libcommon/os/file.h"

namespace proa::copy {

struct TreeEntry {
  std::uint32_t mode = 0, uid = 0, gid = 0;
  std::uint64_t size = 0, device = 0;
  std::int64_t seconds = 0, nanoseconds = 0;
  std::string target;  // of a symbolic link
  bool is_directory() const;
};
using ImageTree = std::map<std::string, TreeEntry>;  // by path, "etc/passwd"

// `layers`: directories as the store keeps them, bottom first; whiteouts are applied.
ImageTree read_image_tree(const std::vector<os::Path>& layers);

enum class ChangeKind { Added, Changed, Deleted };
struct TreeChange {
  ChangeKind kind;
  std::string path;  // "/etc/passwd"
};
// As docker and podman see changes: times and sizes of directories do not count, but a directory in which something
// changed has changed; of a deleted directory only itself is told.
std::vector<TreeChange> compare_trees(const ImageTree& before, const ImageTree& after);

}  // namespace proa::copy
