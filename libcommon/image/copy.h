// The copy engine: from any source to any destination.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "libcommon/config/policy.h"
#include "libcommon/image/copy_plan.h"
#include "libcommon/transport/transport.h"

namespace proa::image {

// What happens while it happens. Called from several threads at once.
class CopyObserver {
 public:
  enum class Item { Config, Layer };
  enum class Outcome { Copied, Reused, Failed, Stopped };  // Stopped: since another one failed

  virtual ~CopyObserver() = default;
  // `slot` tells blobs apart: one digest may come twice in an image. `size` in bytes as read from the source.
  virtual void blob_started(std::size_t slot, Item item, const oci::Descriptor& blob);
  virtual void blob_advanced(std::size_t slot, std::uint64_t bytes);
  virtual void blob_finished(std::size_t slot, Outcome outcome);
  // "Copying image 2 of 5", "Writing manifest to image destination"
  virtual void note(std::string_view line);
};

// Which compressed blob a layer became in earlier copies, so that a second push of it need not compress it again.
class BlobMemory {
 public:
  virtual ~BlobMemory() = default;
  virtual std::optional<transport::StoredBlob> find(const oci::DiffId& layer, io::Compression compression) = 0;
  virtual void remember(const oci::DiffId& layer, io::Compression compression, const transport::StoredBlob& blob) = 0;
};

struct CopyContext {
  CopyObserver* observer = nullptr;  // null: nobody looks
  BlobMemory* memory = nullptr;
  std::stop_token stop;
  // What errors begin with: "pulling app:1". Empty: "copying SOURCE to DESTINATION".
  std::string doing;
  // Which images may be read; null: what policy.json of the user or the machine says. There is no copy without one.
  std::shared_ptr<const config::Policy> policy;
};

struct CopyResult {
  transport::ManifestBytes manifest;  // as stored under the destination's name
  oci::Digest digest;                 // of it
  std::optional<oci::ImageId> id;     // of a single image
};

// Reads, checks, plans, copies and commits. On any error the destination stays uncommitted. What policy.json does not
// allow is PermissionDenied, before anything of the image but its manifest was read.
CopyResult run_copy(const transport::ImageSource& source, transport::ImageDestination& destination,
                    const CopyOptions& options, const CopyContext& context);

// The one image of `source` that fits the platform, with its config: what inspect shows. `digest` is that of the
// manifest.
struct LoadedImage {
  transport::ManifestBytes top;  // manifest or index under the name
  oci::Manifest manifest;
  oci::Digest digest;
  std::optional<oci::ImageConfig> config;  // nullopt for artifacts
};
LoadedImage load_image(const transport::ImageSource& source, const oci::Platform& platform, std::stop_token stop);

// By declared type, else by its members.
bool is_index(const transport::ManifestBytes& document);

}  // namespace proa::image
