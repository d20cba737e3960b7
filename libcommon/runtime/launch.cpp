#include "libcommon/runtime/launch.h"

#include <fmt/core.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "libcommon/base/strings.h"

#include "libcommon/os/namespace_limits.h"
#include "libcommon/os/namespaces.h"
#include "libcommon/os/pidfd.h"
#include "libcommon/runtime/launch_plan.h"
#include "libcommon/runtime/launched.h"
#include "libcommon/runtime/owner_recorder.h"

namespace proa::runtime {

Launched::Launched(os::Child child, std::unique_ptr<Channel> channel)
    : child_(std::move(child)), channel_(std::move(channel)) {}
Launched::Launched(Launched&&) noexcept = default;
Launched::~Launched() = default;  // os::Child kills what was not disowned

int Launched::channel_fd() const noexcept { return channel_->socket.fd(); }

os::UniqueFd Launched::wait_ready() {
  auto received = channel_->socket.receive_or_throw();
  if (received && received->kind == Message::Listener) {
    channel_->owner_recorder.emplace(start_owner_recorder(std::move(received->fd)));
    received = channel_->socket.receive_or_throw();
  }
  if (!received || received->kind != Message::Ready) {
    throw LaunchError(InitStep::Start, ErrorCode::Internal, 125, "container init ended without a word");
  }
  ready_ = true;
  channel_->program = received->payload;
  return std::move(received->fd);
}

void Launched::start_when_ready() {
  channel_->socket.send(Message::Start);
  released_ = true;
}

void Launched::start() {
  if (!ready_) wait_ready();
  if (!released_) channel_->socket.send(Message::Start);
  auto received = channel_->socket.receive_or_throw();
  channel_->socket.close();
  if (!received) return;
  int error = received->kind == Message::ExecFailed && !received->payload.empty()
                  ? static_cast<unsigned char>(received->payload[0])
                  : EPROTO;
  ExecError failure = exec_failure(channel_->program, error);
  throw LaunchError(InitStep::Exec, failure.code(), failure.exit_code(), failure.message());
}

void Launched::leave_waiting() {
  if (!ready_) wait_ready();
  child_.disown();
}

pid_t clone_process(int flags, int* pidfd, int cgroup) {
  clone_args arguments{};
  // CLONE_PARENT inherits the exit signal of the caller (clone(2)).
  bool sibling = (flags & CLONE_PARENT) != 0;
  arguments.exit_signal = sibling ? 0 : SIGCHLD;
  arguments.flags = static_cast<unsigned>(flags);
  if (pidfd != nullptr) {
    arguments.flags |= CLONE_PIDFD;
    arguments.pidfd = reinterpret_cast<std::uint64_t>(pidfd);
  }
  if (cgroup >= 0) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<std::uint64_t>(cgroup);
  }
  auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
  if (pid < 0) {
    int error = errno;
    const os::NamespaceLimits limits = os::gather_namespace_limits();
    const Error failure = (flags & CLONE_NEWUSER) != 0
                              ? os::user_namespace_refused(error, limits)
                              : os::namespaces_refused("clone the container's init", error, limits);
    throw LaunchError(InitStep::Clone, failure.code(), 125, failure.message(), failure.hint());
  }
  return pid;
}

namespace {

// A process in between joins the user and pid namespaces, which only take effect for its children; the init becomes our
// child.
pid_t clone_through_intermediate(const LaunchPlan& plan, MessageSocket& ours, MessageSocket& theirs) {
  // A channel of its own, on which the init cannot overtake it.
  auto [report, reporter] = MessageSocket::make_pair();
  int pidfd = -1;
  pid_t helper = clone_process(0, &pidfd);
  if (helper == 0) {
    report.close();
    InitStep step = InitStep::JoinNamespaces;
    try {
      for (int flag : {CLONE_NEWUSER, CLONE_NEWPID}) {
        for (const auto& space : plan.joined) {
          if (space.flag == flag) os::join_namespaces(space.fd.get(), flag, space.path);
        }
      }
      step = InitStep::Clone;
      pid_t init = clone_process(plan.clone_flags | CLONE_PARENT, nullptr, plan.cgroup.get());
      if (init == 0) {
        ours.close();
        reporter.close();
        container_init(plan, std::move(theirs));
      }
      reporter.send(Message::Spawned, std::to_string(init));
      ::_exit(0);
    } catch (const std::exception& error) {
      reporter.send_failure(step, error);
    }
    ::_exit(1);
  }
  os::Child intermediate(helper, os::UniqueFd(pidfd));
  theirs.close();
  reporter.close();
  auto spawned = report.receive_or_throw();
  intermediate.wait();
  auto pid = spawned && spawned->kind == Message::Spawned ? parse_integer<pid_t>(spawned->payload) : std::nullopt;
  if (!pid) throw LaunchError(InitStep::Clone, ErrorCode::Internal, 125, "container init was not started");
  return *pid;
}

void prepare_new_user_namespace(const LaunchPlan& plan, pid_t pid, const MessageSocket& channel) {
  if (plan.id_maps) os::write_id_maps(pid, *plan.id_maps);
  if (plan.request.on_namespaces) plan.request.on_namespaces(pid);
  channel.send(Message::Continue);
}

}  // namespace

Launched launch(const LaunchRequest& request) {
  LaunchPlan plan = make_launch_plan(request);
  auto [ours, theirs] = MessageSocket::make_pair();
  pid_t pid;
  os::UniqueFd pidfd;
  if (plan.joins_before_clone) {
    pid = clone_through_intermediate(plan, ours, theirs);
    pidfd = os::pidfd_open(pid);
  } else {
    int fd = -1;
    pid = clone_process(plan.clone_flags, &fd, plan.cgroup.get());
    if (pid == 0) {
      ours.close();
      container_init(plan, std::move(theirs));
    }
    pidfd = os::UniqueFd(fd);
  }
  theirs.close();
  os::Child child(pid, std::move(pidfd));
  if (plan.id_maps || request.on_namespaces) {
    auto received = ours.receive_or_throw();
    if (!received || received->kind != Message::Namespaces) {
      throw LaunchError(InitStep::Clone, ErrorCode::Internal, 125, "container init ended before it had namespaces");
    }
    prepare_new_user_namespace(plan, pid, ours);
  }
  auto channel = std::make_unique<Launched::Channel>(Launched::Channel{std::move(ours)});
  return Launched(std::move(child), std::move(channel));
}

std::string default_seccomp_cache() {
  if (::geteuid() == 0 && !os::in_user_namespace()) return "/var/cache/proa/seccomp";
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return std::string(cache) + "/proa/seccomp";
  const char* home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return std::string(home) + "/.cache/proa/seccomp";
  return {};
}

}  // namespace proa::runtime
