#include "tools/copy/archive_load.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/transport/directory_image.h"
#include "libcommon/transport/docker_archive.h"
#include "libcommon/transport/layout.h"

namespace proa::copy {

namespace {

using transport::FileTree;

std::optional<oci::Reference> try_reference(const std::string& text) {
  try {
    return oci::Reference::parse_normalized(text).with_default_tag();
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::vector<LoadableImage> docker_images(const std::shared_ptr<const FileTree>& tree) {
  std::vector<LoadableImage> images;
  for (const auto& item : transport::read_archive_items(*tree)) {
    LoadableImage image;
    for (const auto& tag : item.repo_tags) {
      if (auto name = try_reference(tag)) {
        image.names.push_back(std::move(*name));
      } else {
        log::warn(fmt::format("the tag {} is no valid name and is left out", escape_control(tag)));
      }
    }
    image.source = transport::make_docker_archive_source(tree, item, "docker-archive:" + tree->name());
    images.push_back(std::move(image));
  }
  return images;
}

std::vector<LoadableImage> layout_images(const std::shared_ptr<const FileTree>& tree,
                                         const config::PolicyScope& scope) {
  std::vector<LoadableImage> images;
  for (const auto& entry : transport::read_layout_index(*tree).manifests) {
    LoadableImage image;
    // containerd and docker write the full name beside the tag (image-spec says only "name of the reference").
    for (const char* key : {"io.containerd.image.name", "org.opencontainers.image.ref.name"}) {
      const auto found = entry.annotations.find(key);
      if (found == entry.annotations.end()) continue;
      if (auto name = local_name(found->second)) image.names.push_back(std::move(*name));
      break;
    }
    image.source = transport::make_layout_source(tree, entry, scope.transport + ":" + tree->name(), scope);
    images.push_back(std::move(image));
  }
  return images;
}

std::unique_ptr<FileTree> open_tree(const std::string& path) {
  if (!path.empty()) {
    const auto found = os::stat(path, AT_FDCWD, 0);
    return S_ISDIR(found.st_mode) ? transport::open_directory_tree(path) : transport::open_tar_tree(path);
  }
  if (::isatty(STDIN_FILENO) == 1) {
    throw Error(ErrorCode::InvalidArgument, "cannot read an archive from a terminal",
                "use --input, or redirect standard input");
  }
  return transport::open_tar_tree(os::UniqueFd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)), "standard input");
}

// Standard input has no place that policy.json could name.
config::PolicyScope layout_scope(const std::string& path) {
  if (path.empty()) return {.transport = "oci-archive", .identity = {}, .namespaces = {}};
  return config::path_scope(S_ISDIR(os::stat(path, AT_FDCWD, 0).st_mode) ? "oci" : "oci-archive", path);
}

}  // namespace

std::optional<oci::Reference> local_name(const std::string& name) {
  if (name.empty()) return std::nullopt;
  return try_reference(name);
}

std::vector<LoadableImage> open_archive(const std::string& path) {
  std::shared_ptr<const FileTree> tree = open_tree(path);
  if (tree->has("manifest.json") && tree->has("version") && !tree->has("oci-layout")) {
    LoadableImage image;
    image.source = transport::open_directory_source(transport::ImageName{.kind = transport::Kind::Dir, .path = path});
    std::vector<LoadableImage> images;
    images.push_back(std::move(image));
    return images;
  }
  // Docker 25 and later write both; manifest.json names the tags in full.
  if (tree->has("manifest.json")) return docker_images(tree);
  if (tree->has("index.json")) return layout_images(tree, layout_scope(path));
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("{} holds no images: neither manifest.json nor index.json is in it", tree->name()),
              "`proa import` makes an image from the archive of a root file system");
}

}  // namespace proa::copy
