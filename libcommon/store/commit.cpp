// Images of a transaction, and the step that makes everything visible.
#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/store/gc.h"
#include "libcommon/store/index_edit.h"
#include "libcommon/store/layer_record.h"
#include "libcommon/store/layout.h"
#include "libcommon/store/transaction_state.h"

namespace proa::store {
namespace {

namespace call = os::store_call;

void add_once(std::vector<std::string>& to, std::string text) {
  if (std::find(to.begin(), to.end(), text) == to.end()) to.push_back(std::move(text));
}

// A reference with a digest is no name to keep: it says where the image came from.
void add_names(StoredImage& image, const ImageOptions& options) {
  for (const oci::Reference& reference : options.names) {
    if (reference.digest()) {
      add_once(image.repo_digests, reference.name() + "@" + reference.digest()->str());
    } else {
      add_once(image.names, reference.with_default_tag().str());
    }
  }
  for (const std::string& text : options.repo_digests) {
    PROA_CHECK(text.find(' ') == std::string::npos);
    add_once(image.repo_digests, text);
  }
}

std::string read_config(Transaction& transaction, const oci::Descriptor& descriptor) {
  if (!transaction.has_blob(descriptor.digest, descriptor.size)) {
    throw Error(ErrorCode::NotFound, "the config " + descriptor.digest.str() + " is not in the store");
  }
  auto source = transaction.open_blob(descriptor.digest);
  return io::read_all(*source, oci::kMaxConfigSize, "image config " + descriptor.digest.str());
}

// Moves staged blobs into place. A blob that is there already is as good, unless it was found to be damaged.
void move_blobs(Transaction::State& state) {
  const int root = state.store.fd();
  for (const auto& [digest, size] : state.blobs) {
    const os::Path target = layout::blob_path(digest);
    if (digest.algorithm() != oci::DigestAlgorithm::Sha256) {
      call::make_dir_if_absent(layout::kBlobs + "/" + std::string(digest.algorithm_name()), root);
      call::sync_dir(layout::kBlobs, root);
    }
    if (state.damaged_blobs.contains(digest)) {
      call::rename(staged_blob(digest), state.staging.fd(), target, root);
    } else if (!call::rename_new(staged_blob(digest), state.staging.fd(), target, root)) {
      // Two transactions without claims brought the same: keep the first.
      call::unlink(staged_blob(digest), state.staging.fd());
    }
    state.moved = true;
  }
}

// Places of blobs and layers; also for what others moved a moment ago and we only reuse.
void sync_objects(const Store& store) {
  for (const std::string& algorithm : os::list_dir(os::join(store.root(), layout::kBlobs))) {
    call::sync_dir(layout::kBlobs + "/" + algorithm, store.fd());
  }
  call::sync_dir(layout::kLayers, store.fd());
}

// Somebody without a claim may have made it since: theirs serves, if its record can be read and it is none of those
// that ours shall replace.
bool is_of_use(const Store& store, const oci::ChainId& chain, const std::string& owners) {
  try {
    auto record = store.layer(chain);
    return record && !is_outdated(*record, owners);
  } catch (const Error&) {
    return false;
  }
}

void move_layers(Transaction::State& state) {
  const int root = state.store.fd();
  for (const auto& [chain, record] : state.layers) {
    const os::Path target = layout::layer_path(chain);
    const os::Path staged = staged_layer(chain);
    state.moved = true;
    if (call::rename_new(staged, state.staging.fd(), target, root)) continue;
    if (!state.damaged_layers.contains(chain) && is_of_use(state.store, chain, state.owners)) continue;
    // The old directory goes to trash under a name that tells the layer, since a container may still have it
    // mounted.
    call::exchange(staged, state.staging.fd(), target, root);
    call::rename_new(staged, state.staging.fd(), layout::kTrash + "/" + staged + "-" + state.lease.id(), root);
  }
}

}  // namespace

StoredImage Transaction::put_image(std::string raw, std::string_view media_type, const ImageOptions& options) {
  const oci::Digest digest = put_blob(raw);
  const std::uint64_t manifest_size = raw.size();
  const oci::Manifest manifest = oci::Manifest::parse(std::move(raw), media_type);
  While storing{[&] { return "storing image " + manifest.config.digest.short_id(); }};
  const oci::ImageConfig config = oci::ImageConfig::parse(read_config(*this, manifest.config));
  if (config.diff_ids.size() != manifest.layers.size()) {
    throw Error(ErrorCode::Corrupt, "the manifest has " + std::to_string(manifest.layers.size()) +
                                        " layers, the config " + std::to_string(config.diff_ids.size()));
  }
  for (const oci::Descriptor& layer : manifest.layers) {
    if (!has_blob(layer.digest, layer.size))
      throw Error(ErrorCode::NotFound, "layer blob " + layer.digest.str() + " is not in the store");
  }
  StoredImage image{.id = oci::ImageId(manifest.config.digest),
                    .manifest = {.media_type = manifest.media_type,
                                 .digest = digest,
                                 .size = manifest_size,
                                 .urls = {},
                                 .annotations = {},
                                 .platform = config.platform,
                                 .artifact_type = {}},
                    .names = {},
                    .repo_digests = {},
                    .created = config.created,
                    .size = 0,
                    .top_layer = {}};
  std::vector<oci::ChainId> chains = oci::chain_ids(config.diff_ids, io::digest_of);
  for (const oci::ChainId& chain : chains) image.size += layer_size(chain);
  if (!chains.empty()) image.top_layer = chains.back();
  add_names(image, options);

  std::lock_guard guard(state_->mutex);
  state_->images.push_back({image, options.cache_key});
  return image;
}

void Transaction::commit() {
  State& state = *state_;
  std::lock_guard guard(state.mutex);
  PROA_CHECK(!state.committed);
  const Store& store = state.store;
  // From here on nothing staged may be collected as soon as it is in its place.
  for (const auto& [digest, size] : state.blobs) state.lease.note("blob " + digest.str());
  for (const auto& [chain, record] : state.layers) state.lease.note("layer " + chain.str());

  // All data first, then the places, then the names.
  if (!state.blobs.empty() || !state.layers.empty()) call::sync_file_system(store.fd());
  move_blobs(state);
  move_layers(state);
  auto sync_places = [&] { sync_objects(store); };
  if (state.images.empty()) {
    sync_places();
  } else {
    auto add = [&](ImageTable& table) {
      for (const IndexEntry& entry : state.images) {
        entry.cache_key.empty() ? add_image(table, entry.image) : add_cached(table, entry.image, entry.cache_key);
      }
    };
    update_index(store, Purpose::Add, add, sync_places);
  }
  state.committed = true;
}

}  // namespace proa::store
