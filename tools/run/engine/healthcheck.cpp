#include "tools/run/engine/healthcheck.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "libcommon/base/error.h"
#include "libcommon/os/file.h"
#include "libcommon/os/lock.h"
#include "tools/run/engine/events.h"
#include "tools/run/engine/exec_process.h"

namespace proa::engine {
namespace {

using std::chrono::milliseconds;

Time start_of(const Snapshot& snapshot) { return parse_rfc3339(snapshot.state->started).value_or(now()); }

std::vector<std::string> command_of(const HealthCheck& check) {
  std::vector<std::string> words(check.test.begin() + 1, check.test.end());
  if (check.test.front() == "CMD") return words;
  if (check.test.front() == "CMD-SHELL") return {"/bin/sh", "-c", words.empty() ? "" : words.front()};
  return check.test;  // as older images have it
}

// Reads until the process has ended, or the time is over: nullopt.
std::optional<int> await(runtime::Launched& process, int output, milliseconds timeout, std::size_t most,
                         std::string& text) {
  const auto due = std::chrono::steady_clock::now() + timeout;
  std::array<char, 4096> buffer;
  for (;;) {
    const auto left = std::chrono::duration_cast<milliseconds>(due - std::chrono::steady_clock::now());
    if (left <= milliseconds(0)) return std::nullopt;
    std::array<pollfd, 2> fds{pollfd{output, POLLIN, 0}, pollfd{process.pidfd(), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), static_cast<int>(std::min<std::int64_t>(left.count(), 1'000'000))) < 0) continue;
    ssize_t size = 0;
    while (fds[0].revents != 0 && (size = ::read(output, buffer.data(), buffer.size())) > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(size));
      if (most != 0 && text.size() > most) text.resize(most);
    }
    if (fds[1].revents != 0) return process.child().wait().to_exit_code();
    // The end of the output is not the end of the process.
    if (fds[0].revents != 0 && size == 0)
      ::poll(&fds[1], 1, static_cast<int>(std::min<std::int64_t>(left.count(), 50)));
  }
}

HealthState::Entry run_test(const Containers& containers, const Container& container, const Snapshot& snapshot,
                            const HealthCheck& check) {
  HealthState::Entry result;
  result.start = format_rfc3339(now());
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) throw system_error("pipe2");
  const os::UniqueFd output(ends[0]);
  os::UniqueFd written(ends[1]);
  ::fcntl(output.get(), F_SETFL, O_NONBLOCK);
  const os::UniqueFd null = os::open("/dev/null", O_RDWR | O_CLOEXEC);
  try {
    ExecPlace place = plan_exec(containers, container, snapshot);
    place.request.process.args = command_of(check);
    place.request.process.terminal = false;
    place.request.stdio = {null.get(), written.get(), written.get()};
    runtime::Launched process = runtime::exec_in_container(place.request);
    process.start();
    written.reset();
    const auto timeout = std::chrono::duration_cast<milliseconds>(std::chrono::nanoseconds(check.timeout));
    const auto code = await(process, output.get(), timeout,
                            static_cast<std::size_t>(snapshot.record.health.max_log_size), result.output);
    result.exit_code = code.value_or(-1);
    if (!code) {
      process.child().send(SIGKILL);
      process.child().wait();
      result.output = fmt::format("Health check exceeded timeout ({})", format_go_duration(timeout));
    }
  } catch (const runtime::LaunchError& error) {
    result.exit_code = error.exit_code();
    result.output = error.what();
  }
  result.end = format_rfc3339(now());
  return result;
}

}  // namespace

HealthState after_check(const HealthPlan& plan, HealthState state, HealthState::Entry result, Time started, Time now) {
  const bool good = result.exit_code == 0;
  state.log.push_back(std::move(result));
  if (plan.max_log_count > 0 && state.log.size() > static_cast<std::size_t>(plan.max_log_count)) {
    state.log.erase(state.log.begin());
  }
  if (!state.started_up) {
    if (good && ++state.startup_successes >= std::max(1, plan.startup.successes)) state.started_up = true;
    if (!good) ++state.startup_failures;
    if (plan.startup.retries > 0 && state.startup_failures >= plan.startup.retries) state.status = "unhealthy";
    return state;
  }
  if (good) {
    state.status = "healthy";
    state.failing_streak = 0;
    return state;
  }
  // While it may still be starting, a failure says nothing.
  if (state.status == "starting" && now - started < std::chrono::nanoseconds(plan.check.start_period)) return state;
  if (++state.failing_streak >= std::max(1, plan.check.retries)) state.status = "unhealthy";
  return state;
}

Duration next_check_in(const HealthPlan& plan, const HealthState& state, Time started, Time now) {
  if (!state.started_up) return Duration(plan.startup.interval);
  const bool starting = state.status == "starting" && now - started < Duration(plan.check.start_period);
  return Duration(starting && plan.check.start_interval > 0 ? plan.check.start_interval : plan.check.interval);
}

HealthState run_check(const Containers& containers, const Container& container) {
  const Snapshot snapshot = look_at(container);
  const HealthPlan& plan = snapshot.record.health;
  if (!plan.check.active()) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("container {} has no health check", snapshot.record.name));
  }
  if (snapshot.status != Status::Running) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("container {} is not running", snapshot.record.name));
  }
  HealthState before = container.health().value_or(HealthState{});
  auto result = run_test(containers, container, snapshot, before.started_up ? plan.check : plan.startup);
  // Two checks may run at once: each adds to what is there when it ends.
  const auto lock = os::FileLock::acquire(container.file("health.lock"), os::FileLock::Mode::Exclusive);
  before = container.health().value_or(HealthState{});
  HealthState after = after_check(plan, before, std::move(result), start_of(snapshot), now());
  container.write_health(after);
  if (after.status != before.status) {
    log_event(containers.paths(), container_event(snapshot.record, "health_status", {{"health_status", after.status}}));
  }
  return after;
}

}  // namespace proa::engine
