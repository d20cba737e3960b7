// A further process in a running container, as it is asked for by `exec` and by health checks.
#pragma once

#include "libcommon/runtime/exec.h"
#include "tools/run/engine/containers.h"

namespace proa::engine {

// What is the same for each: the init, the filters and the group; `process` is the container's own, to be changed. The
// caller keeps `init` open until the process was made. InvalidArgument when the container does not run.
struct ExecPlace {
  os::UniqueFd init;
  runtime::ExecRequest request;
  bool single_id = false;
};
ExecPlace plan_exec(const Containers& containers, const Container& container, const Snapshot& snapshot);

}  // namespace proa::engine
