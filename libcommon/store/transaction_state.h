// What the parts of a transaction share. Internal to the store.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "libcommon/os/store_file.h"
#include "libcommon/store/index_file.h"
#include "libcommon/store/layer_lock.h"
#include "libcommon/store/lease.h"
#include "libcommon/store/writer.h"

namespace proa::store {

// Files below staging/<lease id>/:
//   blob-<algorithm>-<hex>   a complete, verified blob
//   part-<algorithm>-<hex>   the beginning of a blob whose digest is known
//   layer-<hex>/             a complete layer: diff/ and layer.json
//   new-<n>, scratch-<n>-*   unfinished; of no use to a successor
struct Transaction::State {
  State(const Store& store, std::string owners, Lease lease, os::Dir staging);

  os::Path staging_path(const os::Path& name) const { return os::join(staging.name(), name); }
  std::string fresh_name(std::string_view prefix);
  // Takes a file or directory of this name over from a dead transaction of this boot.
  bool take_over(const os::Path& name);
  void find_predecessors();

  const Store& store;
  const std::string owners;
  const std::string boot;
  Lease lease;
  os::Dir staging;
  LayerClaims claims;

  std::mutex mutex;  // for all below, and for writing to the lease
  std::vector<std::string> predecessors;
  std::map<oci::Digest, std::uint64_t> blobs;  // staged here
  std::map<oci::ChainId, LayerRecord> layers;  // staged here
  std::map<oci::ChainId, LayerRecord> reused;  // in the store, held
  std::set<std::string> parts_in_work;
  std::set<oci::Digest> damaged_blobs;                  // in the store, but wrong: replaced by ours
  std::set<oci::ChainId> damaged_layers;                // the same
  std::map<oci::ChainId, LayerRecord> outdated_layers;  // in the store, held; of use until ours take their place
  std::vector<IndexEntry> images;                       // registered: names and cache key as asked for
  std::uint64_t counter = 0;
  bool claimed = false, keep = false, moved = false, committed = false;

  // What need not be made: neither damaged nor outdated (layer_record.h).
  std::optional<LayerRecord> find_layer(const oci::ChainId& chain);
  // What can be used: NotFound when it is absent or damaged.
  LayerRecord need_layer(const oci::ChainId& chain);
  bool has_blob(const oci::Digest& digest, std::optional<std::uint64_t> size);

 private:
  std::optional<LayerRecord> find_stored_layer(const oci::ChainId& chain);
  bool stored_layer_is_sound(const LayerRecord& record) const;
  bool stored_blob_is_sound(const oci::Digest& digest, std::optional<std::uint64_t> size) const;
};

inline os::Path staged_blob(const oci::Digest& digest) {
  return "blob-" + std::string(digest.algorithm_name()) + "-" + std::string(digest.hex());
}
inline os::Path staged_layer(const oci::ChainId& chain) { return "layer-" + std::string(chain.hex()); }

}  // namespace proa::store
