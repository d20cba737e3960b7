// From a name to a source or destination.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/os/idmap.h"
#include "libcommon/transport/docker.h"
#include "libcommon/transport/image_name.h"
#include "libcommon/transport/transport.h"

namespace proa::store {
class Store;
class Transaction;
}  // namespace proa::store

namespace proa::transport {

struct OpenOptions {
  RegistryOptions registry;
  std::optional<std::string> shared_blob_dir;   // oci: --src-shared-blob-dir, --dest-shared-blob-dir
  std::vector<oci::Reference> additional_tags;  // docker-archive destination: --additional-tag
  bool accept_uncompressed = false;             // oci destination: --dest-oci-accept-uncompressed-layers
  bool dir_compress = false;                    // dir destination: --dest-compress
  bool dir_decompress = false;                  // --dest-decompress
  std::string daemon_host;                      // docker-daemon: --src-daemon-host, --dest-daemon-host; may be empty
  std::function<const store::Store&()> store;   // asked for only when a name is in the store
  os::IdMode id_mode = os::IdMode::Root;        // storage destination: how owners of files are kept
};

std::unique_ptr<ImageSource> open_source(const ImageName& name, const OpenOptions& options);
std::unique_ptr<ImageDestination> open_destination(const ImageName& name, const OpenOptions& options);

}  // namespace proa::transport
