#include "libcommon/runtime/exec.h"

#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "libcommon/base/strings.h"
#include "libcommon/os/cgroup.h"
#include "libcommon/os/namespaces.h"
#include "libcommon/os/pidfd.h"
#include "libcommon/os/tty.h"
#include "libcommon/runtime/launch_plan.h"
#include "libcommon/runtime/launched.h"

namespace proa::runtime {
namespace {

struct ExecPlan {
  const ExecRequest* request;
  ProcessPlan process;
  os::UniqueFd cgroup;
};

void set_up(const ExecPlan& plan, MessageSocket& channel, InitStep& step) {
  step = InitStep::Session;
  reset_signals();
  if (plan.request->parent_death_signal != 0) ::prctl(PR_SET_PDEATHSIG, plan.request->parent_death_signal);
  ::setsid();
  ::umask(0022);
  os::UniqueFd master, slave;
  step = InitStep::Console;
  if (plan.process.process.terminal) {
    // We are in the container's mount namespace: its own devpts, whatever /dev/ptmx is there. The check is the peer's
    // ioctl.
    os::Pty pty = os::open_pty("/dev/pts/ptmx");
    master = std::move(pty.master);
    slave = std::move(pty.slave);
  }
  set_stdio(plan.process, slave.get());
  step = InitStep::Limits;
  set_limits(plan.process);
  step = InitStep::Labels;
  set_labels(plan.process);
  become_process(plan.process, step);
  std::string program = find_command(plan.process);
  channel.send(Message::Ready, program, master.get());
  master.reset();
  slave.reset();
  step = InitStep::Start;
  wait_for_start(channel, -1);
  step = InitStep::Exec;
  exec_command(plan.process, program, channel);
}

[[noreturn]] void exec_process(const ExecPlan& plan, MessageSocket channel) {
  InitStep step = InitStep::Session;
  int code = 125;
  try {
    set_up(plan, channel, step);
  } catch (const std::exception& error) {
    if (const auto* exec = dynamic_cast<const ExecError*>(&error)) code = exec->exit_code();
    channel.send_failure(step, error);
  }
  ::_exit(code);
}

// Joins everything in a process of its own, since the pid namespace takes effect for its children only. The container's
// processes could look into it from the moment it is inside, hence not dumpable from before.
// It has a channel of its own, on which the other process cannot overtake it.
[[noreturn]] void intermediate(const ExecPlan& plan, MessageSocket& theirs, MessageSocket& reporter) {
  InitStep step = InitStep::Limits;
  try {
    set_oom_score(plan.process);
    step = InitStep::JoinNamespaces;
    int flags = 0;
    // Only what the container has for itself: a namespace that it shares with the host may belong to a user namespace
    // above ours, and entering it again would be refused.
    for (int flag :
         {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP}) {
      if (!os::same_namespace(0, plan.request->init_pid, flag)) flags |= flag;
    }
    const bool other_user = (flags & CLONE_NEWUSER) != 0;
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) throw system_error("PR_SET_DUMPABLE");
    os::join_namespaces(plan.request->init_pidfd, flags, "the container");
    if (other_user) {
      // EINVAL: 0 is not mapped, as where the container's user has the only id; that one is ours already.
      if (::setresgid(0, 0, 0) != 0 && errno != EINVAL) throw system_error("setresgid 0");
      if (::setresuid(0, 0, 0) != 0 && errno != EINVAL) throw system_error("setresuid 0");
    }
    step = InitStep::Clone;
    pid_t pid = clone_process(CLONE_PARENT, nullptr);
    if (pid == 0) {
      reporter.close();
      exec_process(plan, std::move(theirs));
    }
    reporter.send(Message::Spawned, std::to_string(pid));
    ::_exit(0);
  } catch (const std::exception& error) {
    reporter.send_failure(step, error);
  }
  ::_exit(1);
}

}  // namespace

Launched exec_in_container(const ExecRequest& request) {
  ExecPlan plan;
  plan.request = &request;
  plan.process = prepare_process(request.process, request.seccomp,
                                 request.emulate_single_id ? SingleId::Answer : SingleId::No, request.seccomp_cache);
  plan.process.stdio = request.stdio;
  plan.process.preserve_fds = request.preserve_fds;
  if (!request.cgroup_directory.empty()) {
    os::approach_cgroup(request.cgroup_directory);
    plan.cgroup = os::open(request.cgroup_directory, O_RDONLY | O_DIRECTORY);
  }
  auto [ours, theirs] = MessageSocket::make_pair();
  auto [report, reporter] = MessageSocket::make_pair();
  int fd = -1;
  // The helper is born in the group already: from inside of the container's cgroup namespace, groups outside of it (the
  // one that it comes from) do not exist for the kernel (nsdelegate).
  pid_t helper = clone_process(0, &fd, plan.cgroup.get());
  if (helper == 0) {
    ours.close();
    report.close();
    intermediate(plan, theirs, reporter);
  }
  os::Child joiner(helper, os::UniqueFd(fd));
  theirs.close();
  reporter.close();
  auto spawned = report.receive_or_throw();
  auto pid = spawned && spawned->kind == Message::Spawned ? parse_integer<pid_t>(spawned->payload) : std::nullopt;
  if (!pid)
    throw LaunchError(InitStep::Clone, ErrorCode::Internal, 125, "the process in the container was not started");
  os::Child child(*pid, os::pidfd_open(*pid));
  joiner.wait();
  return Launched(std::move(child), std::make_unique<Launched::Channel>(Launched::Channel{std::move(ours)}));
}

}  // namespace proa::runtime
