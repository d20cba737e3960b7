// Values of flags that several verbs have. All throw with what is known.
#pragma once

#include <string>
#include <vector>

#include "tools/build/base_image.h"
#include "tools/build/steps/run_step.h"

namespace proa::build {

NetworkChoice parse_network(const std::string& text);
PullPolicy parse_pull_policy(const std::string& text);
// --volume: folders of the host only.
std::vector<runtime::MountRequest> bind_volumes(const std::vector<std::string>& texts);

}  // namespace proa::build
