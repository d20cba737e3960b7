// Which ids a rootless program may use, and entering the user namespace that has them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/os/user.h"

namespace proa::os {

// Root: real root, no user namespace. Full: the user's id and subordinate ranges, by newuidmap and newgidmap.
// Single: one id is mapped to 0; ownership is emulated by a seccomp filter in containers and build steps.
enum class IdMode { Root, Full, Single };

struct IdMapEntry {
  std::uint32_t inside;
  std::uint32_t outside;
  std::uint32_t count;
  bool operator==(const IdMapEntry&) const = default;
};
using IdMap = std::vector<IdMapEntry>;

// The lines of /proc/PID/uid_map, user_namespaces(7).
std::string format_id_map(const IdMap& map);
std::optional<std::uint32_t> id_to_inside(const IdMap& map, std::uint32_t outside);
std::optional<std::uint32_t> id_to_outside(const IdMap& map, std::uint32_t inside);
// How many ids from 0 on are mapped without a gap.
std::uint64_t id_map_size(const IdMap& map);
// The maps that are in force for this process.
IdMap current_uid_map();
IdMap current_gid_map();
// Those of another process. What lies outside is seen from our own namespace.
IdMap uid_map_of(pid_t pid);
IdMap gid_map_of(pid_t pid);
// Whether we are below the first user namespace (where ids are not mapped at all).
bool in_user_namespace();

struct UserNamespacePlan {
  IdMode mode = IdMode::Root;
  // True: this process is uid 0 of a suitable user namespace already (or real root): nothing is to be entered.
  bool already_inside = false;
  IdMap uids, gids;
  std::string newuidmap, newgidmap;  // programs, Full only
  // One line for the user when the choice is second best ("only one user id is mapped: ..."); empty otherwise.
  std::string reason;
  std::string hint;  // what gives full ranges
};

// What plan_user_namespace() looks at. Separate, so that the decision is a pure function.
struct IdFacts {
  uid_t uid = 0;
  gid_t gid = 0;
  bool in_user_namespace = false;
  bool can_mount = false;  // CAP_SYS_ADMIN is effective
  IdMap current_uids, current_gids;
  std::vector<SubordinateRange> subordinate_uids, subordinate_gids;
  std::optional<std::string> newuidmap, newgidmap;
  std::string user_name;                // for the hint
  std::vector<SubordinateRange> taken;  // what the hint must not offer; empty when the user has ranges
};
IdFacts gather_id_facts();
UserNamespacePlan plan_user_namespace(const IdFacts& facts);
UserNamespacePlan plan_user_namespace();

// For single-threaded programs. Unshares CLONE_NEWUSER | CLONE_NEWNS | `extra` in this very process; afterwards we are
// uid 0 inside with all capabilities and a mount namespace of our own, from which nothing propagates to the host. When
// the plan says `already_inside`, only CLONE_NEWNS | `extra` are unshared. If newuidmap is refused at run time the
// namespace falls back to Single: the result is the plan that took effect (with its reason). Throws with a hint when
// user namespaces are switched off.
UserNamespacePlan enter_user_namespace(const UserNamespacePlan& plan, int extra = 0);
// Writes the maps of a plan for a child that sits in a new user namespace and waits.
void write_id_maps(pid_t pid, const UserNamespacePlan& plan);

}  // namespace proa::os
