// Hooks of a bundle: programs that get the state on standard input, runtime-spec config.md "POSIX-platform Hooks".
#pragma once

#include <string>
#include <vector>

#include "libcommon/oci/runtime_spec.h"
#include "libcommon/runtime/launch.h"

namespace proa::runtime {

// Each one to its end, in order; a failure throws. Costs nothing when there are none.
void run_hooks(const std::vector<oci::RuntimeHook>& hooks, const std::string& state);
// With the state made here, for the container's init (its pid is then that of its own namespace).
void run_hooks(const std::vector<oci::RuntimeHook>& hooks, const oci::RuntimeSpec& spec, const LaunchRequest& request,
               const std::string& status);

}  // namespace proa::runtime
