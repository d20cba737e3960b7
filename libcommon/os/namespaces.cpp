#include "libcommon/os/namespaces.h"

#include <fmt/core.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/stat.h>

#include <array>

#include "libcommon/base/error.h"
#include "libcommon/os/file.h"

namespace proa::os {
namespace {

struct NamespaceName {
  int flag;
  std::string_view oci;
  const char* file;
};
constexpr std::array<NamespaceName, 8> kNames{{{CLONE_NEWUSER, "user", "user"},
                                               {CLONE_NEWNS, "mount", "mnt"},
                                               {CLONE_NEWPID, "pid", "pid"},
                                               {CLONE_NEWNET, "network", "net"},
                                               {CLONE_NEWIPC, "ipc", "ipc"},
                                               {CLONE_NEWUTS, "uts", "uts"},
                                               {CLONE_NEWCGROUP, "cgroup", "cgroup"},
                                               {CLONE_NEWTIME, "time", "time"}}};

Path namespace_path(pid_t pid, int flag) {
  return pid == 0 ? fmt::format("/proc/self/ns/{}", namespace_file(flag))
                  : fmt::format("/proc/{}/ns/{}", pid, namespace_file(flag));
}

}  // namespace

std::optional<int> namespace_flag(std::string_view oci_name) {
  for (const auto& name : kNames) {
    if (name.oci == oci_name) return name.flag;
  }
  return std::nullopt;
}

const char* namespace_file(int flag) {
  for (const auto& name : kNames) {
    if (name.flag == flag) return name.file;
  }
  return "";
}

void join_namespaces(int fd, int flags, std::string_view name) {
  if (::setns(fd, flags) != 0) throw system_error(fmt::format("setns {}", name));
}

bool same_namespace(pid_t a, pid_t b, int flag) {
  struct stat one = stat(namespace_path(a, flag), AT_FDCWD, 0);
  struct stat two = stat(namespace_path(b, flag), AT_FDCWD, 0);
  return one.st_ino == two.st_ino && one.st_dev == two.st_dev;
}

UniqueFd open_namespace(pid_t pid, int flag) { return open(namespace_path(pid, flag), O_RDONLY); }

}  // namespace proa::os
