// Who a container's process is: USER of an image or --user, resolved by the passwd and group files inside the root.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/os/dir.h"

namespace proa::runtime {

struct Identity {
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> groups;  // supplementary, always with `gid`
  std::string home = "/";
  std::string name;  // empty when the uid has no passwd entry
};

// `user`: "", "name", "uid", "name:group", "uid:gid" in every mix. Digits only are a number, at most 2^32-2; never
// looked up as a name. `group_add`: names or numbers of further groups. The texts are those of /etc/passwd and
// /etc/group. Throws InvalidArgument or NotFound.
Identity resolve_identity(std::string_view user, const std::vector<std::string>& group_add, std::string_view passwd,
                          std::string_view group);
// Reads both files with the root's resolver: regular files only, at most 1 MiB each; missing ones count as empty.
Identity resolve_identity(std::string_view user, const std::vector<std::string>& group_add, const os::Dir& root);

}  // namespace proa::runtime
