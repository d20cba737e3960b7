// The container's init between clone and exec: carries the plan out, reports the first failure with its step, prints
// nothing.
#include <fmt/core.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "libcommon/os/namespaces.h"
#include "libcommon/runtime/hooks.h"
#include "libcommon/runtime/launch_plan.h"
#include "libcommon/runtime/rootfs.h"

namespace proa::runtime {
namespace {

void expect(const MessageSocket& channel, Message kind) {
  auto received = channel.receive();
  if (!received || received->kind != kind) throw Error(ErrorCode::Cancelled, "the launcher is gone");
}

void join_all(const LaunchPlan& plan) {
  for (const auto& space : plan.joined) {
    if (space.flag != CLONE_NEWUSER && space.flag != CLONE_NEWPID)
      os::join_namespaces(space.fd.get(), space.flag, space.path);
  }
}

// In a namespace that was just made we are nobody until we say who we want to be. Where 0 is not mapped there is one
// id, which we have already.
void become_namespace_root(const LaunchPlan& plan) {
  if (!plan.id_maps && plan.spec->find_namespace("user") == nullptr) return;
  if (::setresgid(0, 0, 0) != 0 && errno != EINVAL) throw system_error("setresgid 0");
  if (::setresuid(0, 0, 0) != 0 && errno != EINVAL) throw system_error("setresuid 0");
}

void new_keyring(const std::string& id) {
  // Keys of the caller are not for the container. A kernel or an outer filter without keyrings leaves nothing to
  // shield.
  std::string name = "_proa." + id;
  if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.c_str()) < 0 && errno != ENOSYS && errno != EPERM) {
    throw system_error("new session keyring");
  }
}

void enter_cgroup(const LaunchPlan& plan) {
  if (plan.unshare_flags != 0 && ::unshare(plan.unshare_flags) != 0) throw system_error("unshare the cgroup namespace");
  if (!plan.spec->linux_.time_offsets.empty()) {
    std::string lines;
    for (const auto& [clock, offset] : plan.spec->linux_.time_offsets) {
      lines += fmt::format("{} {} {}\n", clock, offset.secs, offset.nanosecs);
    }
    os::UniqueFd fd = os::open("/proc/self/timens_offsets", O_WRONLY);
    os::write_all(fd.get(), lines, "timens_offsets");
  }
}

void raise_loopback() {
  os::UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) throw system_error("socket");
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) throw system_error("raise the loopback interface");
}

void set_names(const LaunchPlan& plan) {
  const auto& spec = *plan.spec;
  if (!spec.hostname.empty() && plan.own_uts && ::sethostname(spec.hostname.c_str(), spec.hostname.size()) != 0) {
    throw system_error("sethostname");
  }
  if (!spec.domainname.empty() && plan.own_uts &&
      ::setdomainname(spec.domainname.c_str(), spec.domainname.size()) != 0) {
    throw system_error("setdomainname");
  }
}

// Everything in the host's view of files; at the end the root is the container's. Returns {master, slave} of its
// terminal.
std::pair<os::UniqueFd, os::UniqueFd> build_root(const LaunchPlan& plan, RootBuilder& root, InitStep& step) {
  const auto& spec = *plan.spec;
  step = InitStep::Root;
  root.attach_root();
  step = InitStep::Mounts;
  root.mount_all(plan.mounts);
  step = InitStep::Devices;
  root.make_devices();
  std::pair<os::UniqueFd, os::UniqueFd> console;
  step = InitStep::Console;
  if (spec.process->terminal) console = root.make_console();
  step = InitStep::Sysctl;
  root.write_sysctls();
  step = InitStep::Hooks;
  run_hooks(spec.hooks.create_container, spec, plan.request, "creating");
  step = InitStep::WorkingDirectory;
  root.make_working_directory(spec.process->cwd, spec.process->user.uid, spec.process->user.gid);
  step = InitStep::Masks;
  root.mask_paths();
  step = InitStep::PivotRoot;
  root.enter(plan.request.no_pivot);
  return console;
}

void set_up(const LaunchPlan& plan, MessageSocket& channel, InitStep& step) {
  step = InitStep::Session;
  reset_signals();
  if (plan.request.parent_death_signal != 0 && ::prctl(PR_SET_PDEATHSIG, plan.request.parent_death_signal) != 0) {
    throw system_error("PR_SET_PDEATHSIG");
  }
  ::setsid();  // process 1 of a pid namespace may lead a session already
  ::umask(0022);
  step = InitStep::Limits;
  set_oom_score(plan.process);
  step = InitStep::JoinNamespaces;
  join_all(plan);
  step = InitStep::IdMaps;
  if (plan.id_maps || plan.request.on_namespaces) {
    channel.send(Message::Namespaces);
    expect(channel, Message::Continue);
  }
  RootBuilder root(*plan.spec, plan.request.bundle, plan.in_user_namespace);
  step = InitStep::Root;
  root.open_root(plan.request.root_mount, plan.spec->root_path);
  step = InitStep::Mounts;
  root.open_sources(plan.mounts);
  step = InitStep::IdMaps;
  become_namespace_root(plan);
  step = InitStep::Keyring;
  if (plan.request.new_keyring) new_keyring(plan.request.id);
  step = InitStep::Cgroup;
  enter_cgroup(plan);
  step = InitStep::Hostname;
  set_names(plan);
  step = InitStep::Network;
  if (plan.own_network) raise_loopback();
  auto [master, slave] = build_root(plan, root, step);
  step = InitStep::Console;
  set_stdio(plan.process, slave.get());
  step = InitStep::Limits;
  set_limits(plan.process);
  step = InitStep::Labels;
  set_labels(plan.process);
  if (os::UniqueFd listener = become_process(plan.process, step); listener.valid()) {
    channel.send(Message::Listener, {}, listener.get());
  }
  std::string program = find_command(plan.process);
  channel.send(Message::Ready, program, master.get());
  master.reset();
  slave.reset();
  step = InitStep::Start;
  wait_for_start(channel, plan.request.start_fd);
  step = InitStep::Hooks;
  run_hooks(plan.spec->hooks.start_container, *plan.spec, plan.request, "created");
  step = InitStep::Exec;
  if (plan.process.init) ::_exit(run_init(plan.process, program, channel));
  exec_command(plan.process, program, channel);
}

}  // namespace

void wait_for_start(const MessageSocket& channel, int start_fd) {
  if (start_fd < 0) {
    expect(channel, Message::Start);
    return;
  }
  // A FIFO that had no writer yet shows neither data nor a hang-up, so this waits however long it takes.
  struct pollfd waiting {
    start_fd, POLLIN, 0
  };
  while (::poll(&waiting, 1, -1) < 0 && errno == EINTR) {
  }
  char byte;
  if (::read(start_fd, &byte, 1) != 1) throw Error(ErrorCode::Cancelled, "the container was not started");
}

void container_init(const LaunchPlan& plan, MessageSocket channel) {
  InitStep step = InitStep::Session;
  int code = 125;
  try {
    set_up(plan, channel, step);
  } catch (const std::exception& error) {
    if (const auto* exec = dynamic_cast<const ExecError*>(&error)) code = exec->exit_code();
    channel.send_failure(step, error);
    if (plan.request.start_fd >= 0 && step >= InitStep::Start) {
      // Nobody listens on the channel after `oci create` ended; the container's standard error is what is left.
      std::string line = fmt::format("{}\n", error.what());
      [[maybe_unused]] auto written = ::write(2, line.data(), line.size());
    }
  }
  ::_exit(code);
}

}  // namespace proa::runtime
