// Extended attributes by descriptor; O_PATH descriptors work too (through /proc/self/fd).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa::os {

// nullopt: not set, or not supported by the file system.
std::optional<std::string> get_xattr(int fd, const std::string& name);
void set_xattr(int fd, const std::string& name, std::string_view value, std::string_view file);
std::vector<std::string> list_xattrs(int fd);

}  // namespace proa::os
