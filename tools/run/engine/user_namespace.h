// One user namespace for all containers of a user, as long as one of them runs: joining is quicker than newuidmap and
// newgidmap, and containers that share a network have to share it anyway.
#pragma once

#include <sys/types.h>

#include "libcommon/config/paths.h"
#include "libcommon/os/idmap.h"

namespace proa::engine {

// Enters the user namespace of a live monitor, or a new one, with a mount namespace of our own in both cases. `with`: a
// monitor whose namespace it has to be; 0: any. For single-threaded programs.
os::UserNamespacePlan enter_shared_user_namespace(const config::Paths& paths, pid_t with);

}  // namespace proa::engine
