#include "tools/run/monitor/container_run.h"

#include <errno.h>
#include <fmt/core.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/network/mode.h"
#include "libcommon/os/file.h"
#include "libcommon/os/mount.h"
#include "libcommon/os/namespaces.h"
#include "libcommon/os/pidfd.h"
#include "libcommon/os/tty.h"
#include "libcommon/runtime/cgroup_limits.h"
#include "tools/run/monitor/console.h"
#include "tools/run/monitor/prepared_mounts.h"

namespace proa::monitor {

ContainerRun::ContainerRun(const MonitorPlan& plan, const os::UserNamespacePlan& ids, const oci::RuntimeSpec& spec,
                           os::UniqueFd root_mount, Stdio& stdio, os::CgroupPlace* place)
    : plan_(plan), ids_(ids), stdio_(stdio), run_dir_(plan.containers.run_dir(plan.record.id)) {
  try {
    std::array<int, 3> ends{-1, -1, -1};
    const auto& user = spec.process->user;
    if (!plan.record.terminal) ends = stdio.make_pipes(plan.record.stdin_open, user.uid, user.gid);
    if (place != nullptr) {
      cgroup_ = runtime::make_cgroup(*place, spec.linux_.resources.value_or(oci::RuntimeResources{}));
    }
    const PreparedMounts mounts(plan, ids);
    const auto networked = make_network(spec);
    const oci::RuntimeSpec& placed = networked ? *networked : spec;
    if (plan.record.runtime.empty()) {
      launch_builtin(placed, std::move(root_mount), ends);
    } else {
      launch_external(placed, std::move(root_mount), ends);
    }
  } catch (...) {
    release();
    throw;
  }
  stdio.close_container_ends();
  started_ = format_rfc3339(now());
}

ContainerRun::~ContainerRun() { release(); }

void ContainerRun::release() noexcept {
  try {
    if (external_) external_->remove(plan_.record.id, true);
  } catch (const Error&) {
    // Its state is in our runtime directory, which goes as well.
  }
  pasta_.reset();
  launched_.reset();
  if (external_) ::umount2(plan_.container.file("bundle/rootfs").c_str(), MNT_DETACH);
  try {
    if (cgroup_) cgroup_->remove();
  } catch (const Error&) {
    // Processes that do not end yet keep the group.
  }
}

std::optional<network::PastaRequest> ContainerRun::network_request() const {
  const network::Mode mode = network::parse_mode(plan_.record.network);
  if (mode.kind != network::Mode::Kind::User) return std::nullopt;
  network::PastaRequest request;
  request.ports = plan_.record.ports;
  request.host_loopback = mode.host_loopback;
  request.dns_forward_to = plan_.record.dns_forward;
  request.options = mode.options;
  return request;
}

void ContainerRun::start_network(pid_t pid) {
  if (pasta_) return;
  auto request = network_request();
  if (!request) return;
  const os::UniqueFd netns = os::open_namespace(pid, CLONE_NEWNET);
  pasta_.emplace(network::Pasta::start(std::move(*request), netns.get()));
}

std::optional<oci::RuntimeSpec> ContainerRun::make_network(const oci::RuntimeSpec& wanted) {
  auto network = network_request();
  if (!network || ids_.mode != os::IdMode::Root) return std::nullopt;
  auto [pasta, space] = network::Pasta::start_with_namespace(std::move(*network));
  pasta_.emplace(std::move(pasta));
  made_network_ = std::move(space);
  oci::RuntimeSpec spec = wanted;
  for (auto& one : spec.linux_.namespaces) {
    // By our number: another runtime opens it from a process of its own.
    if (one.type == "network") one.path = fmt::format("/proc/{}/fd/{}", ::getpid(), made_network_.get());
  }
  return spec;
}

os::Path ContainerRun::write_runtime_bundle(oci::RuntimeSpec spec) const {
  spec.root_path = plan_.container.file("bundle/rootfs");
  os::Path bundle = os::join(run_dir_, "bundle");
  os::make_dirs(bundle);
  const os::Path file = os::join(bundle, "config.json");
  const auto fd = os::open(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  os::write_all(fd.get(), spec.encode(), file);
  return bundle;
}

void ContainerRun::launch_builtin(const oci::RuntimeSpec& spec, os::UniqueFd root_mount,
                                  const std::array<int, 3>& ends) {
  runtime::LaunchRequest request;
  request.spec = &spec;
  request.bundle = plan_.container.file("bundle");
  request.root_mount = root_mount.get();
  request.id = plan_.record.id;
  request.stdio = ends;
  request.init = plan_.record.init;
  request.preserve_fds = static_cast<unsigned>(plan_.preserve_fds);
  request.emulate_single_id = ids_.mode == os::IdMode::Single;
  // The kernel ends the container with us, whatever ends us.
  request.parent_death_signal = SIGKILL;
  request.seccomp_cache = os::join(plan_.containers.paths().cache, "seccomp");
  if (cgroup_) request.cgroup_directory = cgroup_->directory();
  // As early as the namespace exists: pasta sets itself up while init does the same.
  request.on_namespaces = [this](pid_t pid) { start_network(pid); };
  launched_.emplace(runtime::launch(request));
  os::UniqueFd master = launched_->wait_ready();
  if (pasta_) pasta_->wait_ready();
  if (plan_.record.terminal) {
    if (plan_.size) os::set_window_size(master.get(), *plan_.size);
    stdio_.use_terminal(std::move(master));
  }
  launched_->start();
  pid_ = launched_->pid();
  pidfd_ = os::UniqueFd(::fcntl(launched_->pidfd(), F_DUPFD_CLOEXEC, 3));
}

void ContainerRun::launch_external(const oci::RuntimeSpec& spec, os::UniqueFd root_mount,
                                   const std::array<int, 3>& ends) {
  external_.emplace(plan_.record.runtime, os::join(run_dir_, "runtime"));
  const os::Path rootfs = plan_.container.file("bundle/rootfs");
  os::attach_mount(root_mount.get(), os::open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC).get(), rootfs);
  runtime::ExternalRuntime::CreateOptions options;
  options.id = plan_.record.id;
  options.bundle = write_runtime_bundle(spec);
  options.pid_file = os::join(run_dir_, "pid");
  options.stdio = ends;
  options.preserve_fds = static_cast<unsigned>(plan_.preserve_fds);
  std::optional<ConsoleListener> console;
  if (plan_.record.terminal) {
    console.emplace(run_dir_);
    options.console_socket = console->path();
  }
  pid_ = external_->create(options);
  pidfd_ = os::pidfd_open(pid_);
  if (console) {
    os::UniqueFd master = console->receive();
    if (plan_.size) os::set_window_size(master.get(), *plan_.size);
    stdio_.use_terminal(std::move(master));
  }
  start_network(pid_);
  if (pasta_) pasta_->wait_ready();
  external_->start(plan_.record.id);
}

engine::RunState ContainerRun::state() const {
  engine::RunState state;
  state.pid = pid_;
  state.start_time = os::process_start_time(pid_).value_or(0);
  if (pasta_) {
    state.helper_pid = pasta_->pid();
    state.helper_start_time = os::process_start_time(pasta_->pid()).value_or(0);
  }
  state.monitor_pid = ::getpid();
  state.started = started_;
  state.boot_id = engine::boot_id();
  if (cgroup_) state.cgroup = cgroup_->directory();
  return state;
}

void ContainerRun::send(int signal) const {
  try {
    os::pidfd_send_signal(pidfd_.get(), signal);
  } catch (const Error& error) {
    if (error.error_number() != ESRCH) throw;  // it ended just now
  }
}

os::WaitStatus ContainerRun::reap() {
  if (launched_) return launched_->child().wait();
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) throw system_error("waitpid");
  }
  return os::WaitStatus(status);
}

bool ContainerRun::was_oom_killed() const {
  if (!cgroup_) return false;
  const auto events = os::try_read_file(os::join(cgroup_->directory(), "memory.events"), 4096);
  if (!events) return false;
  for (const auto& line : split(*events, '\n')) {
    if (line.starts_with("oom_kill ")) return line != "oom_kill 0";
  }
  return false;
}

}  // namespace proa::monitor
