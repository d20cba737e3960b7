// When health checks are due. Each is a process of its own, `proa-run healthcheck run`: the monitor stays small.
#pragma once

#include <functional>
#include <optional>

#include "libcommon/base/time.h"
#include "libcommon/os/event_loop.h"
#include "tools/run/monitor/plan.h"

namespace proa::monitor {

class HealthTimer {
 public:
  // `unhealthy` is called after each check that found it so.
  HealthTimer(os::EventLoop& loop, const MonitorPlan& plan, std::function<void()> unhealthy);
  ~HealthTimer();
  HealthTimer(const HealthTimer&) = delete;
  HealthTimer& operator=(const HealthTimer&) = delete;

  // A child of ours ended. false: it was none of these.
  bool reaped(pid_t pid);

 private:
  void schedule(const engine::HealthState& state);
  void check();

  os::EventLoop& loop_;
  const MonitorPlan& plan_;
  std::function<void()> unhealthy_;
  Time started_;
  pid_t check_ = -1;
  std::optional<os::EventLoop::TimerId> timer_;
};

}  // namespace proa::monitor
