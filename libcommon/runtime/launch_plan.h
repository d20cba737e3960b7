// Everything about a launch that is known before the clone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcommon/os/idmap.h"
#include "libcommon/runtime/launch.h"
#include "libcommon/runtime/mount_plan.h"
#include "libcommon/runtime/process_setup.h"

namespace proa::runtime {

struct JoinedNamespace {
  int flag;
  std::string path;
  os::UniqueFd fd;
};

struct LaunchPlan {
  const oci::RuntimeSpec* spec = nullptr;
  LaunchRequest request;
  ProcessPlan process;
  std::vector<MountStep> mounts;
  int clone_flags = 0;              // namespaces that the clone makes
  int unshare_flags = 0;            // those that the init makes itself: cgroup (after it was moved), time
  bool joins_before_clone = false;  // a user or pid namespace to join: needs a process in between
  std::vector<JoinedNamespace> joined;
  std::optional<os::UserNamespacePlan> id_maps;  // of a new user namespace
  bool in_user_namespace = false;                // where the container's init will be
  bool own_network = false, own_uts = false, own_cgroup = false;
  os::UniqueFd cgroup;  // directory
};

LaunchPlan make_launch_plan(const LaunchRequest& request);

// The container's init from its first instruction on; never returns. `channel` is its end, `start_fd` what it waits on.
[[noreturn]] void container_init(const LaunchPlan& plan, MessageSocket channel);

// clone3(2); returns 0 in the child. `pidfd` receives a descriptor when not null.
// `cgroup`: a directory of cgroup v2 in which the child starts (Linux 5.7), or -1; moving it there later would wait for
// the kernel's RCU.
pid_t clone_process(int flags, int* pidfd, int cgroup = -1);

// Waits until the start descriptor says so: Message::Start on a channel, a byte on a FIFO.
void wait_for_start(const MessageSocket& channel, int start_fd);

}  // namespace proa::runtime
