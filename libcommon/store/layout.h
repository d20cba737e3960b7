// Names of the store's files below its root, and their ceilings. docs/disk-layout.md says who writes which of them, and
// when.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libcommon/oci/digest.h"
#include "libcommon/os/file.h"

namespace proa::store::layout {

inline constexpr int kVersion = 1;

inline const os::Path kLayout = "layout";  // "proa store 1\n"
inline const os::Path kSpare = "spare";    // room for a removal on a full disk
inline const os::Path kImages = "images";
inline const os::Path kIndex = "images/index.json";
inline const os::Path kOciLayout = "images/oci-layout";
inline const os::Path kBlobs = "images/blobs";
inline const os::Path kLayers = "layers";
inline const os::Path kLists = "lists";
inline const os::Path kStaging = "staging";
inline const os::Path kTrash = "trash";
inline const os::Path kLeases = "leases";
inline const os::Path kUses = "uses";
inline const os::Path kLocks = "locks";
inline const os::Path kStoreLock = "locks/store";
inline const os::Path kLayerLocks = "locks/layers";

inline constexpr std::uint64_t kSpareSize = 256u << 10;
inline constexpr std::uint64_t kMaxIndexSize = 64u << 20;
inline constexpr std::uint64_t kMaxRecordSize = 1u << 20;
inline constexpr std::uint64_t kMaxLeaseSize = 4u << 20;

inline os::Path blob_path(const oci::Digest& digest) {
  return kBlobs + "/" + std::string(digest.algorithm_name()) + "/" + std::string(digest.hex());
}
inline os::Path layer_path(const oci::ChainId& chain) { return kLayers + "/" + std::string(chain.hex()); }
inline os::Path record_path(const oci::ChainId& chain) { return layer_path(chain) + "/layer.json"; }

}  // namespace proa::store::layout
