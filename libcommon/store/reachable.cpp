#include "libcommon/store/reachable.h"

#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/store/writer.h"

namespace proa::store {
namespace {

constexpr int kMaxIndexDepth = 8;

bool is_image_config(std::string_view media_type) {
  return media_type == oci::kOciConfig || media_type == oci::kDockerConfig;
}

void add_manifest(const Store& store, std::string raw, Needs& needs) {
  const oci::Manifest manifest = oci::Manifest::parse(std::move(raw));
  needs.blobs.insert(manifest.config.digest);
  for (const oci::Descriptor& layer : manifest.layers) needs.blobs.insert(layer.digest);
  // Artifacts of other tools have configs of other kinds, and no layers on disk.
  if (!is_image_config(manifest.config.media_type)) return;
  const auto config = oci::ImageConfig::parse(read_verified_blob(store, manifest.config.digest, oci::kMaxConfigSize));
  for (oci::ChainId& chain : oci::chain_ids(config.diff_ids, io::digest_of)) needs.layers.insert(std::move(chain));
}

void add_any(const Store& store, const oci::Digest& digest, Needs& needs, int depth) {
  needs.blobs.insert(digest);
  std::string raw = read_verified_blob(store, digest, oci::kMaxManifestSize);
  // Foreign entries only: which of the two it is, the body says.
  if (raw.find("\"manifests\"") == std::string::npos || depth == 0) return add_manifest(store, std::move(raw), needs);
  for (const oci::Descriptor& child : oci::Index::parse(std::move(raw)).manifests) {
    needs.blobs.insert(child.digest);
    // Other platforms of a foreign index need not be there.
    if (store.blob_size(child.digest)) add_any(store, child.digest, needs, depth - 1);
  }
}

}  // namespace

void add_needs(const Store& store, const oci::Digest& manifest, Needs& needs) {
  add_any(store, manifest, needs, kMaxIndexDepth);
}

}  // namespace proa::store
