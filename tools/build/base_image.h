// Images that a build starts from.
#pragma once

#include <string>

#include "tools/build/steps/session.h"

namespace proa::build {

enum class PullPolicy { Missing, Always, Never };

// The image in the store; fetched by `proa-copy pull` when the policy says so. It is held until the build ends.
Snapshot load_base_image(Session& session, const std::string& name, PullPolicy policy);

}  // namespace proa::build
