#include "libcommon/image/copy_plan.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"

namespace proa::image {

namespace {

using io::Compression;
using transport::DestinationTraits;
using transport::LayerCompression;

bool accepts(const DestinationTraits& destination, std::string_view type) {
  const auto& types = destination.manifest_types;
  return types.empty() || std::find(types.begin(), types.end(), type) != types.end();
}

// Docker's schema 2 has no artifacts, and of its own no zstd.
std::string choose_manifest_type(const oci::Manifest& manifest, const DestinationTraits& destination,
                                 const CopyOptions& options) {
  if (options.manifest_type) {
    if (accepts(destination, *options.manifest_type)) return *options.manifest_type;
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("the destination does not take manifests of type {}", *options.manifest_type));
  }
  // zstd asked for by the user needs an OCI manifest.
  const bool wants_zstd =
      options.compression == Compression::Zstd && destination.layers != LayerCompression::Decompress;
  if (wants_zstd && !options.preserve_digests && accepts(destination, oci::kOciManifest))
    return std::string(oci::kOciManifest);
  if (accepts(destination, manifest.media_type)) return manifest.media_type;
  for (const auto& type : destination.manifest_types) {
    if (oci::is_manifest_type(type)) return type;
  }
  throw Error(ErrorCode::Unsupported, "the destination takes no image manifests");
}

std::string layer_type(std::string_view manifest_type, Compression compression) {
  const bool docker = manifest_type == oci::kDockerManifest;
  switch (compression) {
    case Compression::None:
      return std::string(docker ? oci::kDockerLayer : oci::kOciLayer);
    case Compression::Gzip:
      return std::string(docker ? oci::kDockerLayerGzip : oci::kOciLayerGzip);
    case Compression::Zstd:
      break;
  }
  return std::string(oci::kOciLayerZstd);
}

class Planner {
 public:
  Planner(const oci::Manifest& manifest, const oci::ImageConfig* config, const DestinationTraits& destination,
          const CopyOptions& options)
      : manifest_(manifest), config_(config), destination_(destination), options_(options) {}

  CopyPlan run() {
    plan_.manifest_type = choose_manifest_type(manifest_, destination_, options_);
    plan_.config_type = manifest_.config.media_type;
    if (plan_.manifest_type != manifest_.media_type) {
      change("the manifest has to become " + plan_.manifest_type);
      if (config_ == nullptr)
        throw Error(ErrorCode::Unsupported,
                    "an artifact exists only as OCI manifest, which the destination does not take");
      plan_.config_type =
          std::string(plan_.manifest_type == oci::kDockerManifest ? oci::kDockerConfig : oci::kOciConfig);
    }
    const auto chains =
        config_ != nullptr && config_->diff_ids.size() == manifest_.layers.size()
            ? oci::chain_ids(config_->diff_ids, [](std::string_view text) { return io::digest_of(text); })
            : std::vector<oci::ChainId>{};
    const auto all_diff_ids = std::make_shared<const std::vector<oci::DiffId>>(
        config_ == nullptr ? std::vector<oci::DiffId>{} : config_->diff_ids);
    for (std::size_t i = 0; i < manifest_.layers.size(); ++i) {
      auto layer = plan_layer(manifest_.layers[i]);
      layer.use.layer_index = i;
      if (!chains.empty()) {
        layer.use.diff_id = config_->diff_ids[i];
        layer.use.chain_id = chains[i];
        layer.use.all_diff_ids = all_diff_ids;
      }
      plan_.layers.push_back(std::move(layer));
    }
    if (!plan_.keeps_manifest && options_.preserve_digests) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("digests cannot be preserved: {}", plan_.reason),
                  "leave out --preserve-digests");
    }
    return std::move(plan_);
  }

 private:
  void change(std::string reason) {
    if (plan_.keeps_manifest) plan_.reason = std::move(reason);
    plan_.keeps_manifest = false;
  }

  Compression format_for_new() const {
    const auto wanted = options_.compression.value_or(Compression::Gzip);
    const bool zstd_fits = destination_.accepts_zstd && plan_.manifest_type == oci::kOciManifest;
    if (wanted == Compression::Zstd && !zstd_fits) {
      throw Error(ErrorCode::InvalidArgument,
                  "zstd layers need an OCI manifest, which the destination does not take here", "use --format oci");
    }
    return wanted;
  }

  LayerPlan plan_layer(const oci::Descriptor& from) {
    LayerPlan layer{
        .from = from, .action = LayerAction::Keep, .to = Compression::None, .media_type = from.media_type, .use = {}};
    // Layers of artifacts, encrypted layers and those with URLs elsewhere are carried as they are.
    if (!oci::is_layer_type(from.media_type) || oci::is_foreign_layer_type(from.media_type) || config_ == nullptr)
      return layer;
    const Compression present = compression_of_type(from.media_type);
    decide(layer, present);
    const Compression result = layer.action == LayerAction::Keep ? present : layer.to;
    if (layer.action != LayerAction::Keep || plan_.manifest_type != manifest_.media_type) {
      layer.media_type = layer_type(plan_.manifest_type, result);
    }
    return layer;
  }

  void decide(LayerPlan& layer, Compression present) {
    const auto set = [&](LayerAction action, Compression to, const char* reason) {
      layer.action = action;
      layer.to = to;
      change(reason);
    };
    const bool docker = plan_.manifest_type == oci::kDockerManifest;
    if (destination_.layers == LayerCompression::Decompress) {
      if (present != Compression::None)
        set(LayerAction::Decompress, Compression::None, "the destination wants uncompressed layers");
      return;
    }
    if (present == Compression::Zstd && (docker || !destination_.accepts_zstd)) {
      set(LayerAction::Recompress, Compression::Gzip, "the destination takes no zstd layers");
      return;
    }
    if (options_.preserve_digests) return;
    const bool compresses = destination_.layers == LayerCompression::Compress || options_.force_compression;
    if (options_.compression == Compression::None) {
      if (compresses && present != Compression::None)
        set(LayerAction::Decompress, Compression::None, "uncompressed layers were asked for");
    } else if (present == Compression::None) {
      if (compresses) set(LayerAction::Compress, format_for_new(), "layers are compressed on the way");
    } else if (compresses && options_.compression && *options_.compression != present) {
      set(LayerAction::Recompress, format_for_new(), "another compression was asked for");
    }
  }

  const oci::Manifest& manifest_;
  const oci::ImageConfig* config_;
  const DestinationTraits& destination_;
  const CopyOptions& options_;
  CopyPlan plan_;
};

}  // namespace

bool is_image_config_type(std::string_view media_type) {
  return media_type == oci::kOciConfig || media_type == oci::kDockerConfig;
}

Compression compression_of_type(std::string_view type) {
  if (type.ends_with("+gzip") || type.ends_with(".gzip")) return Compression::Gzip;
  if (type.ends_with("+zstd") || type.ends_with(".zstd")) return Compression::Zstd;
  return Compression::None;
}

CopyPlan plan_copy(const oci::Manifest& manifest, const oci::ImageConfig* config, const DestinationTraits& destination,
                   const CopyOptions& options) {
  return Planner(manifest, config, destination, options).run();
}

oci::Manifest apply_plan(const CopyPlan& plan, const oci::Manifest& manifest,
                         const std::vector<transport::StoredBlob>& stored) {
  PROA_CHECK(stored.size() == plan.layers.size());
  if (plan.keeps_manifest) return manifest;
  oci::Manifest result = manifest;
  result.raw.clear();
  result.media_type = plan.manifest_type;
  result.config.media_type = plan.config_type;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    result.layers[i].media_type = plan.layers[i].media_type;
    result.layers[i].digest = stored[i].digest;
    result.layers[i].size = stored[i].size;
  }
  if (plan.manifest_type == oci::kDockerManifest) {  // schema 2 has no such members
    result.annotations.clear();
    result.artifact_type.reset();
    result.subject.reset();
    for (auto& layer : result.layers) layer.annotations.clear();
  }
  return oci::Manifest::encode(std::move(result));
}

std::string plan_index_type(const oci::Index& index, const DestinationTraits& destination, const CopyOptions& options) {
  std::string type = index.media_type;
  if (options.manifest_type)
    type = *options.manifest_type == oci::kDockerManifest ? oci::kDockerManifestList : oci::kOciIndex;
  if (accepts(destination, type)) return type;
  for (const auto& other : destination.manifest_types) {
    if (oci::is_index_type(other)) return other;
  }
  throw Error(ErrorCode::Unsupported, "the destination takes no index of several images",
              "choose one with --platform, or leave out --all");
}

}  // namespace proa::image
