// What happens to containers that exist.
#pragma once

#include <optional>
#include <string>

#include "libcommon/os/unique_fd.h"
#include "tools/run/engine/attach.h"
#include "tools/run/engine/containers.h"
#include "tools/run/monitor/plan.h"

namespace proa::engine {

// For starting a container again. Throws InUse when it runs already.
monitor::MonitorPlan plan_start(const Containers& containers, Container container);

// A container that was told to stop.
class Stopping {
 public:
  Stopping() = default;
  explicit Stopping(os::UniqueFd monitor) : monitor_(std::move(monitor)) {}
  void wait();  // until it has ended

 private:
  os::UniqueFd monitor_;  // not valid: it does not run
};

// Each throws Error when it cannot be done; stopping what does not run is fine.
Stopping begin_stop(const Containers& containers, const Container& container, std::optional<int> timeout,
                    std::optional<int> signal = std::nullopt);
void stop(const Containers& containers, const Container& container, std::optional<int> timeout,
          std::optional<int> signal = std::nullopt);
void send_signal(const Containers& containers, const Container& container, int signal);
// Blocks until it ends; the exit code of one that has ended. One that was made or lost: throws.
int wait(const Containers& containers, const Container& container);

struct RemoveOptions {
  bool force = false;
  bool volumes = false;
  int timeout = 0;  // with force: seconds between the stop signal and SIGKILL; 0: SIGKILL at once
};
// A container that is going away: with `force` it was told to stop.
struct Removal {
  Container container;
  Snapshot before;
  Stopping stopping;
};
Removal begin_remove(const Containers& containers, Container container, const RemoveOptions& options);
void finish_remove(const Containers& containers, Removal removal, const RemoveOptions& options);
void remove(const Containers& containers, Container container, const RemoveOptions& options);

// Freezes or thaws by the container's cgroup; Unsupported when it has none.
void pause(const Container& container, bool paused);

// Ends what a killed monitor may have left: init and pasta, if the kernel has not done so.
void end_orphans(const RunState& state);

}  // namespace proa::engine
