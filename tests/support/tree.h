// A directory tree as text, attribute by attribute, to compare two of them.
#pragma once

#include <map>
#include <string>

namespace proa::testing {

// Path below `root` ("." for itself) -> kind, mode, owner, time, links, content, target, device and xattrs.
std::map<std::string, std::string> describe_tree(const std::string& root);

}  // namespace proa::testing
