#include "tools/run/monitor/health.h"

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/os/process.h"
#include "tools/run/engine/healthcheck.h"
#include "tools/run/engine/image.h"

namespace proa::monitor {

using std::chrono::milliseconds;

HealthTimer::HealthTimer(os::EventLoop& loop, const MonitorPlan& plan, std::function<void()> unhealthy)
    : loop_(loop), plan_(plan), unhealthy_(std::move(unhealthy)), started_(now()) {
  engine::HealthState state;
  state.started_up = !plan.record.health.startup.active();
  plan.container.write_health(state);
  schedule(state);
}

HealthTimer::~HealthTimer() {
  if (timer_) loop_.cancel(*timer_);
}

void HealthTimer::schedule(const engine::HealthState& state) {
  const auto delay = engine::next_check_in(plan_.record.health, state, started_, now());
  if (delay <= Duration(0)) return;  // --health-interval=disable
  timer_ = loop_.after(std::max(milliseconds(1), std::chrono::duration_cast<milliseconds>(delay)), [this] { check(); });
}

void HealthTimer::check() {
  timer_.reset();
  try {
    os::SpawnPlan plan;
    plan.program = engine::sibling_program("proa-run");
    plan.arguments = {"healthcheck", "run", plan_.record.id};
    auto child = os::spawn(plan);
    check_ = child.pid();
    child.disown();
  } catch (const Error&) {
    schedule({});  // out of processes or memory: the next time
  }
}

bool HealthTimer::reaped(pid_t pid) {
  if (pid != check_) return false;
  check_ = -1;
  const auto state = plan_.container.health().value_or(engine::HealthState{});
  schedule(state);
  if (state.status == "unhealthy") unhealthy_();
  return true;
}

}  // namespace proa::monitor
