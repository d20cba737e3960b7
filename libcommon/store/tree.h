// Looking at the directory of a layer. Internal to the store.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcommon/os/file.h"

namespace proa::store {

struct TreeSummary {
  std::uint64_t size = 0;     // bytes of regular files
  std::uint64_t entries = 0;  // without the root
  // SHA-256 over path, type, mode, owner, size or link target or device, and modification time of everything, in order
  // of names. It costs one lstat a file and sees cut, missing, added and replaced files: what a crash or a stray hand
  // leaves.
  std::string fingerprint;
};

TreeSummary summarize_tree(int dir, const os::Path& name);

struct TreeDifference {
  std::string path;
  std::string text;
};

// Compares two directories entry by entry, with content and extended attributes; at most `limit` differences.
// `adopted`: `actual` was the upper directory of an overlay; marks that the kernel leaves there and times are not
// compared.
std::vector<TreeDifference> compare_trees(int expected, int actual, bool adopted, std::size_t limit);

}  // namespace proa::store
