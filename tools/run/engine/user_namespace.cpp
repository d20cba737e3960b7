#include "tools/run/engine/user_namespace.h"

#include <fmt/core.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/os/process.h"
#include "libcommon/os/store_file.h"

namespace proa::engine {
namespace {

// "PID START_TIME" of the monitor that made the namespace last. In the runtime directory: it dies with the boot.
constexpr const char* kHolder = "userns";

// No exception on this path: the holder is often gone, and the first one that is thrown costs a static program more
// than a millisecond.
bool join(pid_t pid) {
  const os::UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  return process.valid() && ::setns(process.get(), CLONE_NEWUSER) == 0;
}

bool join_holder(const config::Paths& paths) {
  const auto text = os::try_read_file(os::join(paths.run, kHolder), 256);
  if (!text) return false;
  const auto parts = split(std::string(trim(*text)), ' ');
  const auto pid = parse_integer<pid_t>(parts[0]);
  const auto start = parts.size() == 2 ? parse_integer<std::uint64_t>(parts[1]) : std::nullopt;
  return pid && start && os::process_start_time(*pid) == start && join(*pid);
}

void become_holder(const config::Paths& paths) {
  const std::string name = fmt::format(".{}.{}", kHolder, ::getpid());
  {
    auto file = os::StoreFile::create(os::join(paths.run, name), AT_FDCWD);
    file.write(fmt::format("{} {}\n", ::getpid(), os::process_start_time(::getpid()).value_or(0)));
  }
  os::store_call::rename(os::join(paths.run, name), AT_FDCWD, os::join(paths.run, kHolder), AT_FDCWD);
}

}  // namespace

os::UserNamespacePlan enter_shared_user_namespace(const config::Paths& paths, pid_t with) {
  const os::UserNamespacePlan plan = os::plan_user_namespace();
  if (plan.mode == os::IdMode::Root || plan.already_inside) return os::enter_user_namespace(plan);
  if (with != 0 && !join(with)) {
    throw Error(ErrorCode::Unavailable, "cannot enter the user namespace of the other container");
  }
  if (with != 0 || join_holder(paths)) {
    os::UserNamespacePlan inside = os::enter_user_namespace(os::plan_user_namespace());
    inside.reason = plan.reason;
    inside.hint = plan.hint;
    return inside;
  }
  os::UserNamespacePlan entered = os::enter_user_namespace(plan);
  become_holder(paths);
  return entered;
}

}  // namespace proa::engine
