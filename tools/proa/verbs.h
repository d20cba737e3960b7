// Which tool owns a verb. The front knows nothing else about verbs: flags, help and completions come from the tool.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/proa/global_flags.h"

namespace proa::front {

struct Verb {
  std::string_view name;
  std::string_view tool;     // "proa-run"
  std::string_view summary;  // empty: not shown by `proa --help` (aliases)
};

const std::vector<Verb>& verbs();

struct Route {
  std::string tool;
  std::vector<std::string> arguments;
};

// From the verb and the words behind it to the tool and its words; `flags` go in front of the verb. Docker's groups are
// mapped where another tool owns the verb inside ("image build", "buildx build", "builder prune"). nullopt: no tool
// owns this verb.
std::optional<Route> route(const GlobalFlags& flags, const std::vector<std::string>& words);

// Why a verb of docker or podman is not here; nullptr: nobody has it.
const char* absence(std::string_view verb);

}  // namespace proa::front
