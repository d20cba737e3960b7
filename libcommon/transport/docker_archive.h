// docker-archive: what `docker save` makes and `docker load` takes: manifest.json beside configs and plain layer tars.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libcommon/transport/file_tree.h"
#include "libcommon/transport/json.h"
#include "libcommon/transport/open.h"
#include "libcommon/transport/transport.h"
#include "libcommon/transport/tree_writer.h"

namespace proa::transport {

std::vector<ArchiveItem> read_archive_items(const FileTree& tree);

std::unique_ptr<ImageSource> open_docker_archive_source(const ImageName& name);
// One image of an archive that is open already. Its manifest is made up here: Docker schema 2 with plain layers.
// `transport`: what policy.json calls the place it came from.
std::unique_ptr<ImageSource> make_docker_archive_source(std::shared_ptr<const FileTree> tree, const ArchiveItem& item,
                                                        std::string name, std::string transport = "docker-archive");

// Several images in one archive, which replaces the file in commit().
class DockerArchive {
 public:
  explicit DockerArchive(const std::string& path);
  explicit DockerArchive(TakeArchive take);
  ~DockerArchive();
  // Its commit() only adds the image to the list. Must not outlive the archive. One at a time.
  std::unique_ptr<ImageDestination> add_image(std::vector<oci::Reference> tags);
  void commit();

  struct State;

 private:
  std::shared_ptr<State> state_;
};

// One image in a new file; an existing one is left alone (InvalidArgument).
std::unique_ptr<ImageDestination> open_docker_archive_destination(const ImageName& name, const OpenOptions& options);

}  // namespace proa::transport
