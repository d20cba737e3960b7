// Names and numbers of namespaces, and joining them.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "libcommon/os/unique_fd.h"

namespace proa::os {

// CLONE_NEW* of a name as the OCI runtime specification has it ("pid", "network", "mount", "ipc", "uts", "user",
// "cgroup", "time").
std::optional<int> namespace_flag(std::string_view oci_name);
// The file in /proc/PID/ns of a flag: "net", "mnt", ...
const char* namespace_file(int flag);

// setns(2) on a pidfd joins several at once (Linux 5.8), a namespace file one.
void join_namespaces(int fd, int flags, std::string_view name);
// Whether two processes share a namespace. `pid` 0 is ourselves.
bool same_namespace(pid_t a, pid_t b, int flag);
UniqueFd open_namespace(pid_t pid, int flag);

}  // namespace proa::os
