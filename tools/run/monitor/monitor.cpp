#include "tools/run/monitor/monitor.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcommon/base/log.h"
#include "libcommon/base/signals.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/os/file.h"
#include "libcommon/os/process.h"
#include "libcommon/os/socket.h"
#include "tools/run/engine/events.h"
#include "tools/run/engine/user_namespace.h"
#include "tools/run/engine/volumes.h"
#include "tools/run/monitor/protocol.h"

// Of glibc's allocator: gives back the chunks that it keeps at hand for the calling thread, and keeps none any more.
// Only a static program can reach it.
extern "C" __attribute__((weak)) void __malloc_arena_thread_freeres();

namespace proa::monitor {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds kMaxRestartDelay{60'000};
constexpr const char* kNever = "0001-01-01T00:00:00Z";  // as docker writes it
constexpr std::chrono::seconds kLongRun{10};            // after one, the restart delay begins anew

void replace_descriptor(int fd) {
  const os::UniqueFd null = os::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (::dup2(null.get(), fd) < 0) throw system_error("dup2");
}

// Away from the caller's terminal, session and folder. stderr stays until the container runs: helpers may complain.
void detach_process() {
  ::setsid();
  ::prctl(PR_SET_NAME, "proa-monitor");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::umask(022);
  if (::chdir("/") < 0) throw system_error("chdir /");
  replace_descriptor(STDIN_FILENO);
  replace_descriptor(STDOUT_FILENO);
}

}  // namespace

os::UniqueFd start_monitor(MonitorPlan plan) {
  auto [ours, monitors] = os::socket_pair();
  std::fflush(nullptr);
  auto child = os::fork_process([&plan, &ours = ours, &monitors = monitors] {
    ours.reset();
    return Monitor(std::move(plan), std::move(monitors)).run();
  });
  child.disown();
  return std::move(ours);
}

Monitor::Monitor(MonitorPlan plan, os::UniqueFd client)
    : plan_(std::move(plan)),
      signals_{SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGPIPE},
      clients_(loop_,
               [this](Clients::Client& from, std::string_view text) {
                 try {
                   on_message(from, text);
                 } catch (const Error& error) {  // nothing a client asks for may end the container
                   clients_.send(from, message(kFailure, failure_of(error).encode()));
                 }
               }),
      first_client_(&clients_.add(std::move(client))) {
  first_client_->output = plan_.attach_output;
  first_client_->input = plan_.attach_input;
  clients_.on_relief([this] {
    if (stdio_) stdio_->pause_output(false);
  });
}

int Monitor::run() {
  try {
    detach_process();
    if (!bring_up()) return 0;
  } catch (const std::exception& error) {
    fail(error);
    return 125;
  }
  become_small();
  loop_.add(signals_.fd(), EPOLLIN, [this](std::uint32_t) { on_signals(); });
  on_signals();  // the container may have ended meanwhile
  while (!finished_ || !clients_.drained()) loop_.run_once(milliseconds::max());
  return 0;
}

bool Monitor::bring_up() {
  // An external runtime makes a group of its own. systemd works while we go on.
  if (plan_.start && plan_.record.runtime.empty() && !plan_.record.no_cgroup) {
    cgroup_place_.emplace(os::gather_cgroup_facts(), "proa-" + plan_.record.id);
  }
  ids_ = engine::enter_shared_user_namespace(plan_.containers.paths(), plan_.user_namespace_of);
  const Note note = [this](const std::string& line) { clients_.send(*first_client_, message(kNote, line)); };
  // Once: it stays true until somebody changes the machine, and scripts want a quiet standard error.
  if (!ids_.reason.empty() && plan_.containers.paths().first_time("one-id")) {
    note(ids_.hint.empty() ? ids_.reason : ids_.reason + " (" + ids_.hint + ")");
  }

  os::UniqueFd root = mount_root(plan_, ids_);
  const bool is_new = plan_.spec.has_value();
  oci::RuntimeSpec spec = is_new ? make_spec(plan_, ids_, root.get(), note) : read_bundle(plan_);
  if (is_new) {
    write_bundle(plan_, spec);
    // A client that was killed wants nothing any more; its container must not turn up after others have looked.
    pollfd client{first_client_->socket.get(), 0, 0};
    if (::poll(&client, 1, 0) > 0) throw Error(ErrorCode::Cancelled, "the client is gone");
    plan_.containers.publish(plan_.container);
    note_event("create");
  }
  if (plan_.start) {
    if (!is_new) plan_.container.clear_run();
    open_control_socket();
    if (plan_.record.log_driver != "none") {
      log_ = LogWriter(plan_.container.fd(), plan_.record.log_max_size, plan_.record.log_max_files);
    }
    begin_run(spec, std::move(root));
  }
  clients_.send(*first_client_, message(kReady, plan_.record.id));
  return plan_.start;
}

void Monitor::open_control_socket() {
  os::make_dirs(plan_.containers.run_dir(plan_.record.id));
  const os::UniqueFd dir = plan_.containers.open_run_dir(plan_.record.id);
  listener_ = os::listen_at(dir.get(), kControlSocket);
  loop_.add(listener_.get(), EPOLLIN, [this](std::uint32_t) {
    if (auto socket = os::accept(listener_.get())) clients_.add(std::move(*socket));
  });
}

void Monitor::begin_run(const oci::RuntimeSpec& spec, os::UniqueFd root_mount) {
  stdio_.emplace(loop_, clients_, log_);
  run_ = std::make_unique<ContainerRun>(plan_, ids_, spec, std::move(root_mount), *stdio_,
                                        cgroup_place_ ? &*cgroup_place_ : nullptr);
  run_began_ = std::chrono::steady_clock::now();
  engine::RunState state = run_->state();
  state.restarts = restarts_;
  plan_.container.write_state(state);
  if (!plan_.record.auto_remove) plan_.container.reserve_exit();
  if (!plan_.record.pid_file.empty()) {
    const auto file = os::open(plan_.record.pid_file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    os::write_all(file.get(), std::to_string(run_->pid()), plan_.record.pid_file);
  }
  stdio_->watch();
  start_timers();
  note_event("start");
}

void Monitor::start_timers() {
  if (plan_.record.health.check.active()) {
    health_.emplace(loop_, plan_, [this] { on_unhealthy(); });
  }
  if (plan_.record.timeout > 0) {
    end_timer_ = loop_.after(std::chrono::seconds(plan_.record.timeout), [this] {
      end_timer_.reset();
      stopping_ = true;
      if (run_) run_->send(SIGKILL);
    });
  }
}

void Monitor::on_unhealthy() {
  const std::string& action = plan_.record.health.on_failure;
  // A start-up check that fails means that it has to be started again, as with podman.
  const auto state = plan_.container.health();
  const bool start_failed = state && !state->started_up;
  if (run_ && (action == "kill" || action == "restart" || start_failed)) {
    restart_wanted_ = action == "restart" || start_failed;
    run_->send(SIGKILL);
  } else if (action == "stop") {
    stop(parse_signal(plan_.record.stop_signal).value_or(SIGTERM), plan_.record.stop_timeout);
  }
}

void Monitor::note_event(const std::string& action, std::map<std::string, std::string> attributes) const {
  engine::log_event(plan_.containers.paths(), engine::container_event(plan_.record, action, std::move(attributes)));
}

void Monitor::fail(const std::exception& error) {
  const Failure failure = failure_of(error);
  run_.reset();
  stdio_.reset();
  try {
    // One that was made for this run and never ran leaves nothing, so that the same command works once its mistake is
    // mended. One that was there before stays, and tells of the failure.
    const bool is_new = plan_.spec.has_value();
    if (is_new || plan_.record.auto_remove) {
      plan_.containers.remove(plan_.container, plan_.record.name);
      engine::remove_volumes(plan_.containers, plan_.record);
    } else {
      last_exit_.exit_code = failure.exit_code;
      last_exit_.error = failure.text;
      last_exit_.started = kNever;
      last_exit_.finished = format_rfc3339(now());
      plan_.container.write_exit(last_exit_);
    }
  } catch (const std::exception& second) {
    log::warn(escape_control(second.what()));
  }
  clients_.send(*first_client_, message(kFailure, failure.encode()));
}

void Monitor::become_small() {
  for (; plan_.preserve_fds > 0; --plan_.preserve_fds) ::close(2 + plan_.preserve_fds);  // the container has them
  replace_descriptor(STDERR_FILENO);
  plan_.spec.reset();
  plan_.lowers.shrink_to_fit();
  // What the client had in memory was copied by the fork when it was touched; give back what we do not need. Chunks at
  // hand lie scattered and hold on to some 150 KiB of pages.
  if (__malloc_arena_thread_freeres != nullptr) __malloc_arena_thread_freeres();
  ::malloc_trim(0);
}

void Monitor::on_signals() {
  for (const auto& signal : signals_.read()) {
    if (signal.ssi_signo == SIGTERM) {
      stop(parse_signal(plan_.record.stop_signal).value_or(SIGTERM), plan_.record.stop_timeout);
    }
  }
  while (!finished_) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) return;
    if (run_ && info.si_pid == run_->pid()) {
      on_exit();
    } else {
      ::waitpid(info.si_pid, nullptr, WNOHANG);  // a health check, pasta, or an orphan that came to us
      if (health_) health_->reaped(info.si_pid);
    }
  }
}

void Monitor::on_exit() {
  const os::WaitStatus status = run_->reap();
  stdio_->drain();
  health_.reset();
  if (end_timer_) loop_.cancel(*end_timer_);
  end_timer_.reset();
  try {
    plan_.record = plan_.container.record();  // `update` and `rename` may have changed it
  } catch (const Error&) {
    // As we know it, then.
  }
  last_exit_ = {};
  last_exit_.exit_code = status.to_exit_code();
  last_exit_.started = run_->started();
  last_exit_.finished = format_rfc3339(now());
  last_exit_.oom_killed = run_->was_oom_killed();
  last_exit_.restarts = restarts_;
  last_exit_.by_user = stopping_;
  if (last_exit_.oom_killed) note_event("oom");
  note_event("died", {{"containerExitCode", std::to_string(last_exit_.exit_code)}});
  if (!wants_restart(last_exit_.exit_code)) return finish(last_exit_);

  last_exit_.restarting = true;
  plan_.container.write_exit(last_exit_);
  last_exit_.restarting = false;
  run_.reset();
  stdio_.reset();
  if (std::chrono::steady_clock::now() - run_began_ > kLongRun) restart_delay_ = milliseconds(100);
  restart_timer_ = loop_.after(restart_delay_, [this] { restart(); });
  restart_delay_ = std::min(restart_delay_ * 2, kMaxRestartDelay);
}

bool Monitor::wants_restart(int exit_code) const {
  const auto& record = plan_.record;
  if (restart_wanted_ && !stopping_) return true;
  if (stopping_ || record.restart_policy == "no" || record.restart_policy.empty()) return false;
  if (record.restart_policy != "on-failure") return true;
  return exit_code != 0 && (record.restart_limit == 0 || restarts_ < record.restart_limit);
}

void Monitor::restart() {
  restart_timer_.reset();
  restart_wanted_ = false;
  ++restarts_;
  note_event("restart");
  try {
    plan_.container.clear_run();
    begin_run(read_bundle(plan_), mount_root(plan_, ids_));
    become_small();
  } catch (const std::exception& error) {
    run_.reset();
    last_exit_.error = error.what();
    last_exit_.exit_code = failure_of(error).exit_code;
    finish(last_exit_);
  }
}

void Monitor::finish(const engine::ExitRecord& exit) {
  finished_ = true;
  // Those who asked already get their answer by the socket; later ones find the records.
  for (int round = 0; round < 16 && loop_.run_once(milliseconds(0)); ++round) {
  }
  try {
    // The record first: it is what everybody else goes by. One that removes itself is gone by its name before the
    // client returns, so that the name is free for the client's next command.
    if (plan_.record.auto_remove) {
      plan_.containers.hide(plan_.container, plan_.record.name);
      note_event("remove");
    } else {
      plan_.container.write_exit(exit);
    }
  } catch (const std::exception&) {
    // A full disk. The lock goes with us: the container shows as lost, which is true.
  }
  loop_.remove(listener_.get());
  listener_.reset();
  clients_.send_exit(exit.exit_code);
  run_.reset();
  stdio_.reset();
  try {
    os::remove_tree(plan_.containers.run_dir(plan_.record.id));
    if (plan_.record.auto_remove) {
      plan_.containers.erase(plan_.container);
      engine::remove_volumes(plan_.containers, plan_.record);
    }
  } catch (const std::exception&) {
    // The next command sweeps what stayed.
  }
}

void Monitor::stop(int signal, int seconds) {
  stopping_ = true;
  note_event("stop");
  if (restart_timer_) {
    loop_.cancel(*restart_timer_);
    restart_timer_.reset();
    return finish(last_exit_);
  }
  if (!run_) return;
  const pid_t pid = run_->pid();
  if (seconds != 0) run_->send(signal);
  const milliseconds delay =
      seconds < 0 ? milliseconds(std::chrono::hours(24 * 365)) : milliseconds(std::chrono::seconds(seconds));
  loop_.after(delay, [this, pid] {
    if (run_ && run_->pid() == pid) run_->send(SIGKILL);
  });
}

void Monitor::send_signal(Clients::Client& client, int signal) {
  if (!run_) {
    const Failure failure{125, "the container is not running", {}};
    return clients_.send(client, message(kFailure, failure.encode()));
  }
  // A kill by hand ends the restarting, as with the peers: else it could never be stopped so.
  if (signal == SIGKILL || signal == SIGTERM) stopping_ = stopping_ || signal == SIGKILL;
  run_->send(signal);
  note_event("kill", {{"signal", std::to_string(signal)}});
  clients_.send(client, message(kReady));
}

void Monitor::on_message(Clients::Client& client, std::string_view text) {
  const std::string_view body = text.substr(1);
  const auto numbers = split(body, ' ');
  const auto number = [&](std::size_t i) {
    return i < numbers.size() ? parse_integer<int>(numbers[i]).value_or(0) : 0;
  };
  switch (text.front()) {
    case kAttach:
      client.output = true;
      client.input = body.find('i') != std::string_view::npos;
      return;
    case kInput:
      if (client.input && stdio_) stdio_->write_input(body);
      return;
    case kInputEnd:
      if (client.input && stdio_) stdio_->end_input();
      return;
    case kResize:
      plan_.size = winsize{static_cast<unsigned short>(number(0)), static_cast<unsigned short>(number(1)), 0, 0};
      if (stdio_) stdio_->resize(*plan_.size);
      return;
    case kSignal:
      return send_signal(client, number(0));
    case kStop:
      client.waiting = true;
      return stop(number(0), number(1));
    case kWait:
      client.waiting = true;
      return;
    default:
      return;
  }
}

}  // namespace proa::monitor
