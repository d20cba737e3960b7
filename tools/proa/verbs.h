// Which tool owns a verb. The front knows nothing else about verbs: flags, help and completions come from the tool.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

// From the words after `proa` to the tool and its words. Global flags stay in front of the verb. Docker's groups are
// mapped where another tool owns the verb inside ("image build", "buildx build", "builder prune"). nullopt: no tool
// owns this verb.
std::optional<Route> route(const std::vector<std::string>& words);

// Index of the verb among `words`, after global flags and their values; words.size() when there is none.
std::size_t verb_index(const std::vector<std::string>& words);

}  // namespace proa::front
