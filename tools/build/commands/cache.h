#pragma once

#include "libcommon/cli/command.h"

namespace proa::build {

// `cache ls` and `cache prune`: steps of earlier builds.
cli::Command cache_command();

}  // namespace proa::build
