#include "libcommon/os/namespace_limits.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>

#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"

namespace proa::os {
namespace {

constexpr const char* kOrRoot = "; root needs none";

std::optional<std::uint64_t> sysctl(const std::string& name) {
  try {
    const auto text = try_read_file("/proc/sys/" + replace_all(name, ".", "/"), 64);
    return text ? parse_integer<std::uint64_t>(trim(*text)) : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;  // not ours to read
  }
}

bool filtered() {
  const auto status = try_read_file("/proc/self/status", 1 << 16);
  return status && status->find("\nSeccomp:\t2") != std::string::npos;
}

// unshare(2): not for processes whose root is not that of their mount namespace. Init has that one, mostly.
bool in_chroot() {
  struct stat own {
  }, init{};
  if (::stat("/", &own) != 0 || ::stat("/proc/1/root/", &init) != 0) return false;
  return own.st_dev != init.st_dev || own.st_ino != init.st_ino;
}

Error refused(int error, ErrorCode code, std::string message, std::string hint) {
  return Error(code, std::move(message), std::move(hint)).with_errno(error);
}

Error limit_reached(int error, const NamespaceLimits& limits) {
  if (limits.max_user == 0U) {
    return refused(
        error, ErrorCode::Unsupported,
        "user namespaces are switched off: the sysctl user.max_user_namespaces is 0 here",
        fmt::format("as root: sysctl user.max_user_namespaces=15000, and a line in /etc/sysctl.d to keep it{}",
                    kOrRoot));
  }
  if (!limits.others_at_zero.empty()) {
    return refused(error, ErrorCode::Unsupported,
                   fmt::format("namespaces are switched off: {} is 0 here", proa::join(limits.others_at_zero, ", ")),
                   "raise it as root with sysctl, and keep it by a line in /etc/sysctl.d");
  }
  return refused(
      error, ErrorCode::LimitExceeded,
      fmt::format("no more user namespaces are allowed: user.max_user_namespaces is {} here",
                  limits.max_user ? std::to_string(*limits.max_user) : "unknown"),
      "end other containers, or raise the limit as root; inside a container the one outside may allow fewer, "
      "and 32 levels are the most");
}

Error not_permitted(int error, const NamespaceLimits& limits) {
  const auto forbidden = [&](std::string why, std::string hint) {
    return refused(error, ErrorCode::PermissionDenied, "user namespaces are not allowed: " + std::move(why),
                   std::move(hint));
  };
  if (limits.unprivileged == 0U) {
    return forbidden("the sysctl kernel.unprivileged_userns_clone is 0",
                     fmt::format("as root: sysctl kernel.unprivileged_userns_clone=1, and a line in /etc/sysctl.d to "
                                 "keep it{}",
                                 kOrRoot));
  }
  if (limits.apparmor.value_or(0) != 0) {
    return forbidden(
        "AppArmor keeps them from programs without a profile "
        "(kernel.apparmor_restrict_unprivileged_userns is 1)",
        "as root: give this program a profile with the rule `userns,`, or set that sysctl to 0");
  }
  if (limits.chroot) {
    return forbidden("this process is in a chroot",
                     "the kernel makes none there: use pivot_root, or a mount namespace");
  }
  if (limits.seccomp) {
    return forbidden("a system call filter forbids them, as in a container without the right to nest",
                     "start the outer container with a seccomp profile that allows unshare and clone");
  }
  return forbidden("the kernel says \"Operation not permitted\"",
                   "a security module, a chroot or an outer container may forbid them; root needs none");
}

}  // namespace

NamespaceLimits gather_namespace_limits() {
  NamespaceLimits limits;
  limits.max_user = sysctl("user.max_user_namespaces");
  for (const char* kind : {"mnt", "pid", "net", "ipc", "uts", "cgroup", "time"}) {
    std::string name = fmt::format("user.max_{}_namespaces", kind);
    if (sysctl(name) == 0U) limits.others_at_zero.push_back(std::move(name));
  }
  limits.unprivileged = sysctl("kernel.unprivileged_userns_clone");
  limits.apparmor = sysctl("kernel.apparmor_restrict_unprivileged_userns");
  limits.seccomp = filtered();
  limits.chroot = in_chroot();
  return limits;
}

Error user_namespace_refused(int error, const NamespaceLimits& limits) {
  switch (error) {
    case ENOSPC:
    case EUSERS:  // before Linux 4.9
      return limit_reached(error, limits);
    case EPERM:
    case EACCES:
      return not_permitted(error, limits);
    case EINVAL:
    case ENOSYS:
      return refused(error, ErrorCode::Unsupported, "this kernel has no user namespaces (CONFIG_USER_NS)",
                     "use a kernel that has them, or run it as root");
    default:
      return system_error("make a user namespace", error);
  }
}

Error namespaces_refused(std::string_view operation, int error, const NamespaceLimits& limits) {
  if ((error == ENOSPC || error == EUSERS) && !limits.others_at_zero.empty()) {
    return refused(error, ErrorCode::Unsupported,
                   fmt::format("{}: namespaces are switched off: {} is 0 here", operation,
                               proa::join(limits.others_at_zero, ", ")),
                   "raise it as root with sysctl, and keep it by a line in /etc/sysctl.d");
  }
  return system_error(operation, error);
}

}  // namespace proa::os
