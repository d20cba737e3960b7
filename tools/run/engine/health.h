// Are the containers' records and processes as they should be, and making them so.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tools/run/engine/containers.h"
#include "tools/run/engine/volumes.h"

namespace proa::engine {

struct ContainerCheck {
  std::vector<std::string> lines;  // one for each finding, with what was done about it
  bool damage = false;             // something wrong is left
};
// Unreadable records, names that lead nowhere, leftovers of dead commands, processes without their monitor. `repair`
// removes all of these but containers: their data may still be wanted.
ContainerCheck check_containers(const Containers& containers, bool repair);

// Every volume, and how many containers have it.
std::vector<std::pair<Volume, std::size_t>> volume_use(const Containers& containers);
void prune_volumes(const Containers& containers);  // those that no container has

}  // namespace proa::engine
