// A call of the chown family, as a system call filter reports it.
#pragma once

#include <linux/seccomp.h>

#include <cstdint>
#include <optional>

#include "libcommon/os/owner_note.h"

namespace proa::runtime {

struct OwnerCall {
  static constexpr std::uint32_t kKeep = 0xffffffff;  // (uid_t)-1: leave as it is

  std::uint64_t path = 0;    // address in the caller's memory; 0: the descriptor itself is meant
  std::optional<int> fd;     // what a relative path starts from, or what is meant; nullopt: the working directory
  bool follow = true;        // a link in the last component
  bool empty_is_fd = false;  // AT_EMPTY_PATH
  std::uint32_t uid = kKeep, gid = kKeep;
  bool valid = true;  // false: EINVAL
};

// For every architecture that a filter lets in. nullopt: not of the family.
std::optional<OwnerCall> decode_owner_call(const seccomp_data& data);

// The owner after the call.
os::FileOwner owner_after(const OwnerCall& call, os::FileOwner before);

}  // namespace proa::runtime
