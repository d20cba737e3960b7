// One run of a container: from the clone of its init to its end.
#pragma once

#include <memory>
#include <optional>

#include "libcommon/network/pasta.h"
#include "libcommon/os/cgroup.h"
#include "libcommon/runtime/external.h"
#include "libcommon/runtime/launch.h"
#include "tools/run/monitor/plan.h"
#include "tools/run/monitor/prepare.h"
#include "tools/run/monitor/stdio.h"

namespace proa::monitor {

class ContainerRun {
 public:
  // Launches and waits until the command runs. Throws LaunchError or Error; then nothing is left behind.
  ContainerRun(const MonitorPlan& plan, const os::UserNamespacePlan& ids, const oci::RuntimeSpec& spec,
               os::UniqueFd root_mount, Stdio& stdio, os::CgroupPlace* place);
  ~ContainerRun();
  ContainerRun(const ContainerRun&) = delete;
  ContainerRun& operator=(const ContainerRun&) = delete;

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  engine::RunState state() const;
  const std::string& started() const { return started_; }

  void send(int signal) const;
  // The init ended: reaps it. The rest of its pid namespace is gone as well then.
  os::WaitStatus reap();
  bool was_oom_killed() const;

 private:
  void launch_builtin(const oci::RuntimeSpec& spec, os::UniqueFd root_mount, const std::array<int, 3>& ends);
  void launch_external(const oci::RuntimeSpec& spec, os::UniqueFd root_mount, const std::array<int, 3>& ends);
  // The bundle for another runtime, with the namespaces as they are at this moment. Returns its folder.
  os::Path write_runtime_bundle(oci::RuntimeSpec spec) const;
  // For real root: the network comes first, and the container joins it. nullopt: it is made for the container later.
  std::optional<oci::RuntimeSpec> make_network(const oci::RuntimeSpec& wanted);
  void release() noexcept;
  std::optional<network::PastaRequest> network_request() const;
  void start_network(pid_t pid);

  const MonitorPlan& plan_;
  const os::UserNamespacePlan& ids_;
  Stdio& stdio_;
  os::Path run_dir_;
  std::optional<os::Cgroup> cgroup_;
  std::optional<runtime::Launched> launched_;
  std::optional<runtime::ExternalRuntime> external_;
  std::optional<network::Pasta> pasta_;
  os::UniqueFd made_network_;  // real root: made before the container, which joins it
  pid_t pid_ = -1;
  os::UniqueFd pidfd_;
  std::string started_;
};

}  // namespace proa::monitor
