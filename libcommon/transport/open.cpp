#include "libcommon/transport/open.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/transport/containers_storage.h"
#include "libcommon/transport/directory_image.h"
#include "libcommon/transport/docker_archive.h"
#include "libcommon/transport/docker_daemon.h"
#include "libcommon/transport/layout.h"
#include "libcommon/transport/storage.h"

namespace proa::transport {

std::unique_ptr<ImageSource> open_source(const ImageName& name, const OpenOptions& options) {
  switch (name.kind) {
    case Kind::Docker:
      return open_docker_source(*name.reference, options.registry);
    case Kind::OciLayout:
    case Kind::OciArchive:
      return open_layout_source(name, options);
    case Kind::DockerArchive:
      return open_docker_archive_source(name);
    case Kind::DockerDaemon:
      return open_docker_daemon_source(name, options);
    case Kind::Dir:
      return open_directory_source(name);
    case Kind::ContainersStorage:
      return open_containers_storage_source(name);
    case Kind::Storage:
      break;
  }
  return open_storage_source(name, options.store());
}

std::unique_ptr<ImageDestination> open_destination(const ImageName& name, const OpenOptions& options) {
  switch (name.kind) {
    case Kind::Docker:
      return open_docker_destination(*name.reference, options.registry);
    case Kind::OciLayout:
    case Kind::OciArchive:
      return open_layout_destination(name, options);
    case Kind::DockerArchive:
      return open_docker_archive_destination(name, options);
    case Kind::DockerDaemon:
      return open_docker_daemon_destination(name, options);
    case Kind::Dir:
      return open_directory_destination(name, options);
    case Kind::ContainersStorage:
      throw Error(ErrorCode::Unsupported, fmt::format("{}: the storage of podman is only read", name.str()),
                  "write an archive and have podman load it: docker-archive:FILE, then podman load -i FILE");
    case Kind::Storage:
      break;
  }
  if (!name.reference)
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}: an image is stored under a name, not an id", name.str()));
  return open_storage_destination(options.store(), {.names = {*name.reference}, .id_mode = options.id_mode});
}

}  // namespace proa::transport
