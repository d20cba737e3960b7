// Are the containers' records and processes as they should be, and making them so.
#pragma once

#include <string>
#include <vector>

#include "tools/run/engine/containers.h"

namespace proa::engine {

struct ContainerCheck {
  std::vector<std::string> lines;  // one for each finding, with what was done about it
  bool damage = false;             // something wrong is left
};
// Unreadable records, names that lead nowhere, leftovers of dead commands, processes without their monitor. `repair`
// removes all of these but containers: their data may still be wanted.
ContainerCheck check_containers(const Containers& containers, bool repair);

}  // namespace proa::engine
