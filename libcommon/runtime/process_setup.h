// What the first and every further process of a container do to themselves before the command runs. Prepared by the
// launcher, carried out in the new process.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libcommon/oci/runtime_spec.h"
#include "libcommon/os/caps.h"
#include "libcommon/runtime/channel.h"
#include "libcommon/runtime/seccomp.h"

namespace proa::runtime {

struct ProcessPlan {
  oci::RuntimeProcess process;
  bool set_capabilities = false;
  os::CapState capabilities;
  std::vector<std::pair<int, oci::Rlimit>> rlimits;  // RLIMIT_* numbers
  Bpf filter, emulation;
  std::array<int, 3> stdio{-1, -1, -1};
  unsigned preserve_fds = 0;
  bool keep_groups = false;  // supplementary groups stay as the caller has them (annotation of crun)
  bool init = false;
  SingleId single_id = SingleId::No;
  os::UniqueFd trampoline;  // valid when our own binary must not be what executes the command
};

// Throws InvalidArgument for what cannot be: unknown limits, no arguments.
ProcessPlan prepare_process(const oci::RuntimeProcess& process, const std::optional<oci::SeccompProfile>& seccomp,
                            SingleId single_id, const std::string& seccomp_cache);

// Ordinary signal handling, as a command expects it: ignored signals would stay ignored across exec.
void reset_signals();
void set_limits(const ProcessPlan& plan);
void set_oom_score(const ProcessPlan& plan);
// A session of its own, and the descriptors; `terminal` is a pty's slave or -1.
void set_stdio(const ProcessPlan& plan, int terminal);
void set_labels(const ProcessPlan& plan);
// Working directory, identity, capabilities, filters. Afterwards this process is what the command will be. Updates
// `step`. The listener of SingleId::Record, else none.
os::UniqueFd become_process(const ProcessPlan& plan, InitStep& step);
// The file that execvp would run with the container's PATH. Throws ExecError with 126 or 127.
std::string find_command(const ProcessPlan& plan);
// Does not return except by throwing ExecError. With a trampoline the channel tells of a failure later on.
void exec_command(const ProcessPlan& plan, const std::string& program, const MessageSocket& channel);
// Process 1 with --init: starts the command as a child, reaps, passes signals on. Returns the exit status.
int run_init(const ProcessPlan& plan, const std::string& program, MessageSocket& channel);

}  // namespace proa::runtime
