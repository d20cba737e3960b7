// docker-daemon: the images of a running engine, by the two requests of its API that move archives of images.
#pragma once

#include <memory>

#include "libcommon/transport/open.h"
#include "libcommon/transport/transport.h"

namespace proa::transport {

// The archive is fetched here, into a nameless file.
std::unique_ptr<ImageSource> open_docker_daemon_source(const ImageName& name, const OpenOptions& options);
// Sends the archive in commit().
std::unique_ptr<ImageDestination> open_docker_daemon_destination(const ImageName& name, const OpenOptions& options);

}  // namespace proa::transport
