// Who runs us, and what /etc/subuid and /etc/subgid grant. No NSS: passwd files are read by ourselves (static programs,
// hostile roots).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace proa::os {

struct SubordinateRange {
  std::uint32_t first;
  std::uint32_t count;
};

// Ranges of the user by name or number, in the order of the file; empty when there are none. subuid(5).
std::vector<SubordinateRange> subordinate_uids(uid_t uid);
std::vector<SubordinateRange> subordinate_gids(uid_t uid);

// What nobody may be given any more: every range in /etc/subuid and /etc/subgid, and every id in /etc/passwd.
std::vector<SubordinateRange> taken_ids();
// The first `count` ids from 100000 on (where useradd begins, too) that none of `taken` overlaps; nullopt: none are
// left.
std::optional<std::uint32_t> first_free_range(std::vector<SubordinateRange> taken, std::uint32_t count);

// Name of a uid in the host's /etc/passwd.
std::optional<std::string> user_name(uid_t uid);

// $HOME unless it belongs to another user, else the home directory in /etc/passwd; throws when neither is an absolute
// path.
std::string home_directory();

}  // namespace proa::os
