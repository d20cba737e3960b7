#include "tools/copy/sync/source.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/dir.h"
#include "libcommon/transport/docker_repository.h"

namespace proa::copy {

namespace {

constexpr int kMaxFolderDepth = 64;

// A dir: image in a folder is not looked into further: its files are blobs.
void find_dir_images(const std::string& folder, const std::string& below, int depth, SyncGroup& group) {
  if (depth > kMaxFolderDepth)
    throw Error(ErrorCode::LimitExceeded, fmt::format("{}: folders are nested too deep", escape_control(folder)));
  const auto manifest = os::try_stat(os::join(folder, "manifest.json"));
  if (manifest && S_ISREG(manifest->st_mode)) {
    group.images.push_back({.source = transport::ImageName{.kind = transport::Kind::Dir, .path = folder},
                            // The folder itself is an image: its name is the last of its path.
                            .path = below.empty() ? folder.substr(folder.find_last_of('/') + 1) : below});
    return;
  }
  for (const auto& name : os::list_dir(folder)) {
    const auto path = os::join(folder, name);
    const auto found = os::try_stat(path);
    if (found && S_ISDIR(found->st_mode))
      find_dir_images(path, below.empty() ? name : below + "/" + name, depth + 1, group);
  }
}

}  // namespace

SyncGroup sync_docker_source(const std::string& name, const transport::RegistryOptions& options) {
  const auto reference = oci::Reference::parse_normalized(name);
  if (reference.tag() && reference.digest()) {
    throw Error(ErrorCode::InvalidArgument, "Docker references with both a tag and digest are currently not supported",
                "leave the tag out");
  }
  SyncGroup group{.name = reference.str(), .registry = options, .images = {}};
  const auto add = [&](const oci::Reference& image) {
    group.images.push_back(
        {.source = transport::ImageName{.kind = transport::Kind::Docker, .reference = image}, .path = image.str()});
  };
  if (reference.tag() || reference.digest()) {
    add(reference);
    return group;
  }
  const While listing{[&] { return fmt::format("listing the tags of {}", reference.str()); }};
  for (const auto& tag : transport::open_repository(reference, registry::Access::Pull, options).tags())
    add(reference.with_tag(tag));
  return group;
}

SyncGroup sync_dir_source(const std::string& path) {
  std::string folder = path;
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  SyncGroup group{.name = folder, .registry = {}, .images = {}};
  find_dir_images(folder, "", 0, group);
  return group;
}

}  // namespace proa::copy
