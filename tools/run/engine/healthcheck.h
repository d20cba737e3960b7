// Health checks: what a result means, and running one.
#pragma once

#include <optional>

#include "libcommon/base/time.h"
#include "tools/run/engine/containers.h"

namespace proa::engine {

// The state after one more result. Pure. `started`: when the run began.
HealthState after_check(const HealthPlan& plan, HealthState state, HealthState::Entry result, Time started, Time now);

// How long after this moment the next check is due.
Duration next_check_in(const HealthPlan& plan, const HealthState& state, Time started, Time now);

// Runs the check that is due now, writes health.json and returns the new state. InvalidArgument when the container does
// not run, or has no check.
HealthState run_check(const Containers& containers, const Container& container);

}  // namespace proa::engine
