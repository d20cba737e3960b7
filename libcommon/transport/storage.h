// storage: the image store of proa.
#pragma once

#include <memory>
#include <vector>

#include "libcommon/transport/open.h"
#include "libcommon/transport/transport.h"

namespace proa::transport {

std::unique_ptr<ImageSource> open_storage_source(const ImageName& name, const store::Store& store);

struct StorageTarget {
  std::vector<oci::Reference> names;  // tags become names, digests "pulled as"
  os::IdMode id_mode = os::IdMode::Root;
};
// Applies each layer while it arrives: one pass hashes the blob, stores it, inflates it, hashes the tar and unpacks it.
// Layers that are there already are not read. The process is in its user namespace already and may start threads.
std::unique_ptr<ImageDestination> open_storage_destination(const store::Store& store, StorageTarget target);

}  // namespace proa::transport
