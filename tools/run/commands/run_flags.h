// The flags that `run` and `create` share.
#pragma once

#include "libcommon/cli/command.h"
#include "tools/run/engine/run_options.h"

namespace proa::commands {

using RunBuilder = cli::CommandBuilder<engine::RunOptions>;

void add_container_flags(RunBuilder& builder);
void add_limit_flags(RunBuilder& builder);  // of them, those that `update` has as well
// What docker and podman have and we do not: refused by name, with what to do, rather than ignored.
void add_refused_flags(RunBuilder& builder);

}  // namespace proa::commands
