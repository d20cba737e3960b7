#include "tools/run/engine/health.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/file.h"
#include "libcommon/os/process.h"
#include "libcommon/os/store_file.h"
#include "tools/run/engine/lifecycle.h"

namespace proa::engine {
namespace {

bool lives(int pid, std::uint64_t start_time) {
  return pid > 0 && start_time != 0 && os::process_start_time(pid) == start_time;
}

void check_records(const Containers& containers, bool repair, ContainerCheck& report) {
  for (const auto& container : containers.list()) {
    const Snapshot snapshot = look_at(container);
    const std::string name = fmt::format("container {}", container.id().substr(0, 12));
    if (snapshot.status == Status::Damaged) {
      report.damage = true;
      report.lines.push_back(fmt::format("{}: {}; `proa rm -f` removes it", name, snapshot.problem));
      continue;
    }
    if (snapshot.status != Status::Lost || snapshot.state->boot_id != boot_id()) continue;
    const auto& state = *snapshot.state;
    if (!lives(state.pid, state.start_time) && !lives(state.helper_pid, state.helper_start_time)) continue;
    if (repair) end_orphans(state);
    report.damage = report.damage || !repair;
    report.lines.push_back(
        name + (repair ? ": processes without a monitor were ended" : ": processes are left without a monitor"));
  }
}

void check_names(const Containers& containers, bool repair, ContainerCheck& report) {
  const os::Path folder = os::join(containers.paths().data, "names");
  if (!os::exists(folder)) return;
  for (const auto& name : os::list_dir(folder)) {
    if (!containers.leads_nowhere(name)) continue;
    if (repair) os::store_call::unlink(os::join(folder, name), AT_FDCWD);
    report.lines.push_back(fmt::format("name {}: leads nowhere{}", name, repair ? "; removed" : ""));
  }
}

void check_leftovers(const Containers& containers, bool repair, ContainerCheck& report) {
  const os::Path folder = os::join(containers.paths().data, "containers");
  if (!os::exists(folder)) return;
  for (const auto& name : os::list_dir(folder)) {
    if (!name.starts_with('.')) continue;
    const auto fd = os::try_open(os::join(folder, name), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (!fd || !containers.take_leftover(fd->get())) continue;
    report.lines.push_back(fmt::format("container {}: left half-made or half-removed{}", name.substr(1, 12),
                                       repair ? "; removed" : "; the next command removes it"));
  }
  if (repair) containers.sweep();
}

}  // namespace

ContainerCheck check_containers(const Containers& containers, bool repair) {
  ContainerCheck report;
  check_leftovers(containers, repair, report);
  check_records(containers, repair, report);
  check_names(containers, repair, report);
  return report;
}

}  // namespace proa::engine
