#include "tools/run/engine/lifecycle.h"

#include <fmt/core.h>
#include <poll.h>
#include <signal.h>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/signals.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/cgroup.h"
#include "libcommon/os/pidfd.h"
#include "libcommon/os/process.h"
#include "libcommon/os/socket.h"
#include "tools/run/engine/create.h"
#include "tools/run/engine/events.h"
#include "tools/run/engine/image.h"
#include "tools/run/engine/volumes.h"

namespace proa::engine {

using monitor::message;

namespace {

std::string short_id(const Container& container) { return container.id().substr(0, 12); }

// Reads answers until the exit code; nullopt: the monitor went away.
std::optional<int> receive_exit(int socket) {
  while (auto record = os::receive_message(socket)) {
    if (record->data.front() == monitor::kExit) return parse_integer<int>(std::string_view(record->data).substr(1));
  }
  return std::nullopt;
}

void end_process(int pid, std::uint64_t start_time) {
  if (pid <= 0 || start_time == 0 || os::process_start_time(pid) != start_time) return;
  try {
    const os::UniqueFd process = os::pidfd_open(pid);
    // Asked again with the descriptor in hand: from here on it cannot be another process.
    if (os::process_start_time(pid) != start_time) return;
    os::pidfd_send_signal(process.get(), SIGKILL);
    pollfd ended{process.get(), POLLIN, 0};
    ::poll(&ended, 1, 5000);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound && error.error_number() != ESRCH) throw;
  }
}

// systemd clears a scope away by itself; a group that we made in another one stays.
void end_cgroup(const os::Path& directory) {
  if (directory.empty() || !os::exists(directory)) return;
  try {
    const auto group = os::Cgroup::open(directory);
    group.kill_all();
    group.remove();
  } catch (const Error& error) {
    log::debug(error.what());
  }
}

}  // namespace

monitor::MonitorPlan plan_start(const Containers& containers, Container container) {
  const Snapshot snapshot = look_at(container);
  if (snapshot.status == Status::Damaged) throw Error(ErrorCode::Corrupt, snapshot.problem, "remove it: `proa rm -f`");
  if (snapshot.active()) {
    throw Error(ErrorCode::InUse, fmt::format("container {} is already running", snapshot.record.name));
  }
  LiveLock lock = LiveLock::take(container.fd(), short_id(container));
  if (const auto state = container.state(); state && !snapshot.exit) end_orphans(*state);
  auto lowers = lowers_of(containers, snapshot.record);
  const pid_t joined = resolve_joins(containers, snapshot.record).monitor;
  monitor::MonitorPlan plan{containers, std::move(container), std::move(lock), snapshot.record, std::move(lowers)};
  plan.user_namespace_of = joined;
  if (const char* term = ::getenv("TERM")) plan.terminal_type = term;
  return plan;
}

void Stopping::wait() {
  if (monitor_.valid()) receive_exit(monitor_.get());
  monitor_.reset();
}

Stopping begin_stop(const Containers& containers, const Container& container, std::optional<int> timeout,
                    std::optional<int> signal) {
  const Snapshot snapshot = look_at(container);
  if (snapshot.status == Status::Lost) {
    end_orphans(*snapshot.state);
    return {};
  }
  if (snapshot.status == Status::Paused) pause(container, false);  // a frozen process takes no signal
  const int number = signal.value_or(parse_signal(snapshot.record.stop_signal).value_or(SIGTERM));
  const std::string text = fmt::format("{} {}", number, timeout.value_or(snapshot.record.stop_timeout));
  auto socket = ask_monitor(containers, container.id(), message(monitor::kStop, text));
  return socket ? Stopping(std::move(*socket)) : Stopping();
}

void stop(const Containers& containers, const Container& container, std::optional<int> timeout,
          std::optional<int> signal) {
  begin_stop(containers, container, timeout, signal).wait();
}

void send_signal(const Containers& containers, const Container& container, int signal) {
  if (signal == SIGKILL && look_at(container).status == Status::Paused) pause(container, false);
  const auto socket = ask_monitor(containers, container.id(), message(monitor::kSignal, std::to_string(signal)));
  if (!socket) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("container {} is not running", short_id(container)));
  }
  if (const auto failure = wait_ready(socket->get())) throw Error(ErrorCode::InvalidArgument, failure->text);
}

int wait(const Containers& containers, const Container& container) {
  if (const auto socket = ask_monitor(containers, container.id(), message(monitor::kWait))) {
    if (const auto code = receive_exit(socket->get())) return *code;
  }
  const Snapshot snapshot = look_at(container);
  if (snapshot.exit) return snapshot.exit->exit_code;
  if (snapshot.status == Status::Lost) {
    throw Error(ErrorCode::Io, fmt::format("container {}: {}", snapshot.record.name, snapshot.problem));
  }
  if (snapshot.status == Status::Created) return 0;  // it never ran: as the peers answer
  throw Error(ErrorCode::Corrupt, fmt::format("container {}: {}", short_id(container), snapshot.problem));
}

Removal begin_remove(const Containers& containers, Container container, const RemoveOptions& options) {
  Snapshot snapshot = look_at(container);
  if (snapshot.active() && !options.force) {
    throw Error(ErrorCode::InUse, fmt::format("container {} is running", snapshot.record.name),
                "stop it first (`proa stop`), or use --force");
  }
  Stopping stopping = options.force ? begin_stop(containers, container, options.timeout) : Stopping();
  return {std::move(container), std::move(snapshot), std::move(stopping)};
}

void finish_remove(const Containers& containers, Removal removal, const RemoveOptions& options) {
  removal.stopping.wait();
  Container& container = removal.container;
  const Snapshot& snapshot = removal.before;
  std::optional<LiveLock> lock;
  try {
    lock = LiveLock::take(container.fd(), short_id(container));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) throw;
  }
  if (snapshot.state && !snapshot.exit) end_orphans(*snapshot.state);
  if (!lock || !os::exists(container.path())) return;  // it removed itself
  containers.remove(container, snapshot.record.name);
  log_event(containers.paths(), container_event(snapshot.record, "remove"));
  if (options.volumes || snapshot.record.auto_remove) remove_volumes(containers, snapshot.record);
}

void remove(const Containers& containers, Container container, const RemoveOptions& options) {
  finish_remove(containers, begin_remove(containers, std::move(container), options), options);
}

void pause(const Container& container, bool paused) {
  const Snapshot snapshot = look_at(container);
  if (!snapshot.running()) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("container {} is not running", snapshot.record.name));
  }
  if (snapshot.state->cgroup.empty()) {
    throw Error(ErrorCode::Unsupported, "pausing needs a cgroup, and none is delegated to you here",
                "start the container from a systemd user session with cgroups v2");
  }
  os::Cgroup::open(snapshot.state->cgroup).freeze(paused);
}

void end_orphans(const RunState& state) {
  if (state.boot_id != boot_id()) return;
  end_process(state.pid, state.start_time);
  end_process(state.helper_pid, state.helper_start_time);
  end_cgroup(state.cgroup);
}

}  // namespace proa::engine
