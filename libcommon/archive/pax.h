// Extended headers: POSIX.1-2017 pax, "pax Header Block"; keys of GNU tar (GNU.sparse.*) and star (SCHILY.xattr.*).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcommon/archive/tar_entry.h"

namespace proa::archive {

// Everything an extended header may change of the entry that follows it.
struct PaxRecords {
  std::optional<std::string> path, link;
  std::optional<std::uint64_t> uid, gid, size;
  std::optional<std::pair<std::int64_t, std::uint32_t>> mtime;
  std::vector<std::pair<std::string, std::string>> xattrs;
  // GNU.sparse.*
  std::optional<std::uint64_t> sparse_major, sparse_minor, sparse_size, sparse_real_size, sparse_count;
  std::optional<std::string> sparse_name;
  std::vector<SparseRegion> sparse_map;  // versions 0.0 and 0.1
  bool has_sparse_map = false;
};

// Throws Corrupt. `global`: a header of type 'g'; it may not set what we use, since readers disagree about its force.
PaxRecords parse_pax(std::string_view data, bool global);

// "123", "-1.5", "1600000000.123456789": seconds rounded down, and nanoseconds. nullopt: malformed.
std::optional<std::pair<std::int64_t, std::uint32_t>> parse_pax_time(std::string_view text);

// "LENGTH KEY=VALUE\n", where LENGTH counts itself.
void append_pax_record(std::string& out, std::string_view key, std::string_view value);

}  // namespace proa::archive
