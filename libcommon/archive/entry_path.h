// Names of archive members as paths below a root.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace proa::archive {

inline constexpr std::size_t kMaxComponent = 255;  // NAME_MAX
inline constexpr std::size_t kMaxPath = 4095;      // PATH_MAX without the NUL: what one system call takes

// "./usr//bin/" -> "usr/bin"; "", ".", "/" and "./" -> "". Bytes are kept. Throws Corrupt for ".." (no archiver writes
// it, and readers disagree about it), LimitExceeded for names beyond NAME_MAX or PATH_MAX.
std::string normalize_entry_path(std::string_view name);

struct SplitPath {
  std::string_view parent;  // "" for the root
  std::string_view name;
};
SplitPath split_entry_path(std::string_view path);  // of a normalised path that is not ""

}  // namespace proa::archive
