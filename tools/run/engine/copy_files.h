// Files and trees from one place to another, by descriptors: nothing is followed out of either tree.
#pragma once

#include <optional>
#include <string>

#include "tools/run/engine/root_view.h"

namespace proa::engine {

struct CopyRules {
  std::optional<FileOwner> owner;  // of everything that is made; nullopt: who copies
  bool overwrite = false;          // a folder may take the place of a file, and the other way round
};

// Copies the entry `from_name` of one folder to `to_name` of another. Folders are merged, files replaced; times and
// modes are kept. Devices and sockets are passed over. InvalidArgument: a folder and a file have the same name.
void copy_entry(int from, const std::string& from_name, int to, const std::string& to_name, const CopyRules& rules);
// What is in a folder, into another one.
void copy_contents(int from, int to, const CopyRules& rules);

}  // namespace proa::engine
