// Making a layer again from its blob. Internal to the store.
#pragma once

#include <vector>

#include "libcommon/store/tree.h"
#include "libcommon/store/writer.h"

namespace proa::store {

// Unpacks the blob of a layer, verifying blob and diff id on the way. Throws Corrupt or NotFound.
void unpack_blob(const Store& store, const oci::Digest& blob, const oci::DiffId& diff_id, const std::string& owners,
                 const os::Dir& target);

// Makes layers again in a transaction that is never committed, by the code that made them, and compares. The blob,
// which has its digest as a witness, is the only truth about a layer; so no table of file digests is kept.
class LayerRemaker {
 public:
  explicit LayerRemaker(const Store& store);
  std::vector<TreeDifference> compare(const LayerRecord& record, const os::Dir& actual, std::size_t limit);

 private:
  const Store& store_;
};

}  // namespace proa::store
