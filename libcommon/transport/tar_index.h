// The table of contents of a seekable, uncompressed tar: POSIX ustar and pax, GNU long names. Sparse members are
// refused.
#pragma once

#include <cstdint>
#include <string>

#include "libcommon/base/strings.h"

namespace proa::transport {

struct TarMember {
  std::uint64_t offset = 0;  // of the contents
  std::uint64_t size = 0;
  std::string link;  // not empty: another member's name, as written
  bool symbolic = false;
};

// First member of each name; names without leading "./" or "/". Members that are no files or links, and names with
// "..", are left out. Throws Corrupt when it is no tar or is cut, LimitExceeded above 1,000,000 members or with an
// extended header above 1 MiB.
StringMap<TarMember> read_tar_index(int fd, const std::string& name);

// "a//b/./c" -> "a/b/c", "" when it leaves the tree.
std::string clean_member_name(std::string_view name);

}  // namespace proa::transport
