#include "tools/run/engine/exec_process.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/pidfd.h"
#include "libcommon/os/process.h"

namespace proa::engine {

ExecPlace plan_exec(const Containers& containers, const Container& container, const Snapshot& snapshot) {
  if (!snapshot.running()) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("container {} is not running", snapshot.record.name),
                "start it with `proa start`");
  }
  const auto& state = *snapshot.state;
  ExecPlace place;
  place.init = os::pidfd_open(state.pid);
  if (os::process_start_time(state.pid) != state.start_time) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("container {} is not running", snapshot.record.name));
  }
  oci::RuntimeSpec spec =
      oci::RuntimeSpec::parse(os::read_file(container.file("bundle/config.json"), oci::kMaxRuntimeSpecSize));
  const os::IdMap uids = os::uid_map_of(state.pid);
  place.single_id = uids.size() == 1 && uids.front().count == 1;
  auto& request = place.request;
  request.init_pidfd = place.init.get();
  request.init_pid = state.pid;
  request.process = std::move(*spec.process);
  request.process.console_size.reset();
  request.seccomp = std::move(spec.linux_.seccomp);
  request.emulate_single_id = place.single_id;
  request.seccomp_cache = os::join(containers.paths().cache, "seccomp");
  request.cgroup_directory = state.cgroup;
  return place;
}

}  // namespace proa::engine
