// Why the kernel made no new namespace, in words: errno alone says "No space left on device" where namespaces are
// switched off.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/error.h"

namespace proa::os {

// What explains a refusal. Separate, so that the explanation is a pure function.
struct NamespaceLimits {
  std::optional<std::uint64_t> max_user;      // user.max_user_namespaces; each user namespace has its own limits
  std::vector<std::string> others_at_zero;    // "user.max_net_namespaces", ...
  std::optional<std::uint64_t> unprivileged;  // kernel.unprivileged_userns_clone, a patch of Debian's and others
  std::optional<std::uint64_t> apparmor;      // kernel.apparmor_restrict_unprivileged_userns, Linux 6.7
  bool seccomp = false;                       // a system call filter is on this process
  bool chroot = false;                        // as far as it can be seen
};
NamespaceLimits gather_namespace_limits();

// The error for a failed unshare(2) or clone(2) that asked for a user namespace.
Error user_namespace_refused(int error, const NamespaceLimits& limits);
// The same where other namespaces were asked for; `operation` as in system_error().
Error namespaces_refused(std::string_view operation, int error, const NamespaceLimits& limits);

}  // namespace proa::os
