// Which blobs and layers a manifest needs. Internal to the store.
#pragma once

#include <set>
#include <string>

#include "libcommon/store/store.h"

namespace proa::store {

struct Needs {
  std::set<oci::Digest> blobs;  // manifests, configs and layer blobs
  std::set<oci::ChainId> layers;
};

// Adds what `manifest` (or, for entries of other tools, an index) needs, verified. Throws NotFound or Corrupt when that
// cannot be known; `needs` then holds what was found until there.
void add_needs(const Store& store, const oci::Digest& manifest, Needs& needs);

}  // namespace proa::store
