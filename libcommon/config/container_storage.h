// Where podman, buildah and skopeo keep their images: containers-storage.conf(5).
#pragma once

#include <string>
#include <vector>

#include "libcommon/os/file.h"

namespace proa::config {

// The graph root of this user first, then the additional image stores. $CONTAINERS_STORAGE_CONF, else
// $XDG_CONFIG_HOME/containers/storage.conf (ordinary users) and /etc/containers/storage.conf; what no file says is as
// podman has it. Asked inside a user namespace of ours it means the user outside.
std::vector<os::Path> container_storage_roots();

}  // namespace proa::config
