// Flags before the verb: ours, and those that scripts for docker and podman put there.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa::front {

struct GlobalFlags {
  std::vector<std::string> kept;       // for the tool: ours and skopeo's, with their values
  std::optional<std::string> runtime;  // --runtime: of `run` and `create`
  std::size_t verb = 0;                // its index among the words; their number when there is none
};

// Takes what stands before the verb. Flags that say how to reach or run an engine on this machine are dropped, since
// there is none; --config and --registries-conf go into the environment. Throws InvalidArgument for flags nobody knows
// or without their value, Unsupported for those that would change what happens (a remote engine, hooks).
GlobalFlags take_global_flags(const std::vector<std::string>& words);

}  // namespace proa::front
