// "transport:reference" as skopeo(1) writes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libcommon/oci/reference.h"

namespace proa::transport {

enum class Kind { Docker, OciLayout, OciArchive, DockerArchive, DockerDaemon, Dir, Storage, ContainersStorage };

// Parsed and checked as far as that goes without touching anything.
struct ImageName {
  Kind kind;
  std::string path;   // oci, oci-archive, docker-archive, dir; containers-storage: its root, may be empty
  std::string image;  // oci, oci-archive: name in the layout, may be empty; containers-storage: as given
  std::optional<std::size_t> index;  // docker-archive:path:@N, oci:path:@N
  std::optional<oci::Reference>
      reference;   // docker, docker-archive (optional); storage, docker-daemon: nullopt when it is an image id
  std::string id;  // storage, docker-daemon: an image id or a prefix of one, when it is no reference

  // docker://name  oci:path[:image]  oci-archive:path[:image]  docker-archive:path[:ref|:@N]  docker-daemon:name
  // dir:path  storage:name  containers-storage:[[driver@root]]name
  // InvalidArgument with skopeo's words when malformed. The path "-" of an archive is standard input or output.
  static ImageName parse(std::string_view text);
  // True for text that starts with one of the known transports and a colon.
  static bool has_transport(std::string_view text);

  std::string str() const;
};

std::string_view kind_name(Kind kind);  // "docker", "oci-archive"

}  // namespace proa::transport
