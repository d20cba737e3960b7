#pragma once

#include "libcommon/cli/command.h"

namespace proa::build {

cli::Command build_command();

}  // namespace proa::build
