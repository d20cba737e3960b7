// A further process in a running container: all its namespaces, and limits not wider than asked for.
#pragma once

#include "libcommon/oci/runtime_spec.h"
#include "libcommon/runtime/launch.h"

namespace proa::runtime {

struct ExecRequest {
  int init_pidfd = -1;
  pid_t init_pid = -1;
  oci::RuntimeProcess process;                 // user as numbers, capabilities, cwd, env, terminal
  std::optional<oci::SeccompProfile> seccomp;  // of the container's spec
  std::array<int, 3> stdio{0, 1, 2};
  unsigned preserve_fds = 0;
  bool emulate_single_id = false;
  std::string seccomp_cache;
  std::string cgroup_directory;
  int parent_death_signal = 0;
};

// The process is a child of ours, in the namespaces of the container, waiting for start(). A caller outside the
// container's user namespace that is not root joins that namespace for good. wait_ready() and start() as with launch().
Launched exec_in_container(const ExecRequest& request);

}  // namespace proa::runtime
