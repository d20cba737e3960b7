// What a copy does to one image, decided before a byte of a layer moves. Pure.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/io/compression.h"
#include "libcommon/oci/image.h"
#include "libcommon/oci/platform.h"
#include "libcommon/transport/transport.h"
#include "libcommon/trust/sign.h"

namespace proa::image {

enum class Instances {
  System,     // of an index the one image that fits the platform
  All,        // the index with everything in it
  Listed,     // the index, and of its images those of the listed platforms
  IndexOnly,  // the index alone
};

struct CopyOptions {
  Instances instances = Instances::System;
  oci::Platform platform = oci::Platform::host();
  std::vector<oci::Platform> listed;
  bool preserve_digests = false;
  std::optional<std::string> manifest_type;  // --format; nullopt: the source's where the destination takes it
  std::optional<io::Compression>
      compression;  // for layers that get compressed; set: others are recompressed to it where it matters
  std::optional<int> compression_level;
  bool force_compression = false;  // recompress even where layers are otherwise kept as they come
  unsigned parallel_layers = 3;
  bool remove_signatures = false;  // those of the source are left behind
  std::vector<std::shared_ptr<const trust::Signer>> signers;
  std::optional<oci::Reference> sign_identity;  // what they sign it as; nullopt: the destination's reference
};

enum class LayerAction { Keep, Compress, Decompress, Recompress };

struct LayerPlan {
  oci::Descriptor from;
  LayerAction action = LayerAction::Keep;
  io::Compression to = io::Compression::None;  // Compress, Recompress
  std::string media_type;                      // in the new manifest
  transport::BlobUse use;
};

struct CopyPlan {
  std::string manifest_type;
  std::string config_type;
  std::vector<LayerPlan> layers;
  // True: the manifest is stored byte for byte as it came.
  bool keeps_manifest = true;
  // Why not, for messages: "the destination wants plain layers".
  std::string reason;
};

// `config` is null for artifacts, whose config is no image configuration. InvalidArgument when preserve_digests and the
// destination contradict each other, Unsupported when the image cannot be expressed there.
CopyPlan plan_copy(const oci::Manifest& manifest, const oci::ImageConfig* config,
                   const transport::DestinationTraits& destination, const CopyOptions& options);

// The manifest after the layers have been stored: `stored` in the order of plan.layers.
oci::Manifest apply_plan(const CopyPlan& plan, const oci::Manifest& manifest,
                         const std::vector<transport::StoredBlob>& stored);

// The type an index is stored as, given what its manifests became.
std::string plan_index_type(const oci::Index& index, const transport::DestinationTraits& destination,
                            const CopyOptions& options);

bool is_image_config_type(std::string_view media_type);
io::Compression compression_of_type(std::string_view layer_type);

}  // namespace proa::image
