// containers-storage: the images of podman, buildah and skopeo, read only. Format of the containers/storage project
// (its drivers overlay and vfs).
#pragma once

#include <memory>

#include "libcommon/transport/open.h"
#include "libcommon/transport/transport.h"

namespace proa::transport {

// Files of an ordinary user's store belong to subordinate ids: the process has entered the user namespace.
std::unique_ptr<ImageSource> open_containers_storage_source(const ImageName& name);

}  // namespace proa::transport
