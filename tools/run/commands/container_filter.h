// --filter of `ps` and of the verbs that act on many containers.
#pragma once

#include <string>
#include <vector>

#include "tools/run/commands/filters.h"
#include "tools/run/engine/containers.h"

namespace proa::commands {

class ContainerFilter {
 public:
  // Looks up what before= and since= name: NotFound. InvalidArgument for keys that are none.
  ContainerFilter(const engine::Containers& containers, const std::vector<std::string>& texts);

  bool empty() const { return filters_.empty(); }
  // A state was asked for by a filter: then it is looked for among all containers.
  bool names_states() const;
  bool passes(const engine::Snapshot& snapshot) const;

 private:
  std::vector<Filter> filters_;
};

}  // namespace proa::commands
