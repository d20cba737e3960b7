// What `sync` is to copy: images of repositories, of a folder of dir: images, or of a list in YAML.
#pragma once

#include <string>
#include <vector>

#include "libcommon/transport/docker.h"
#include "libcommon/transport/image_name.h"

namespace proa::copy {

struct SyncImage {
  transport::ImageName source;
  std::string path;  // what it is called below the destination with --scoped: "registry/repository:tag"
};

// Images that are read with the same settings.
struct SyncGroup {
  std::string name;  // for messages
  transport::RegistryOptions registry;
  std::vector<SyncImage> images;
};

// `name`: a repository, all tags of it; or one image.
SyncGroup sync_docker_source(const std::string& name, const transport::RegistryOptions& options);
// Every folder below `path` that holds a dir: image.
SyncGroup sync_dir_source(const std::string& path);
// A file as skopeo-sync(1) has it. What one registry says wins over `options`.
std::vector<SyncGroup> sync_yaml_source(const std::string& path, const transport::RegistryOptions& options);

}  // namespace proa::copy
