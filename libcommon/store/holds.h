// The store's lock, and what leases and uses keep. Internal to the store.
//
// Lock order: layer claims (locks/layers), then the store lock (locks/store). The store lock is shared while a lease
// grows and exclusive while the index changes or garbage is moved away, so: whoever wrote a hold and then saw the
// object, keeps the object.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "libcommon/os/lock.h"
#include "libcommon/store/store.h"

namespace proa::store {

os::FileLock lock_shared(const os::Path& root);
os::FileLock lock_exclusive(const os::Path& root);

struct Holds {
  std::set<oci::Digest> used;  // manifests of containers
  // Of live leases:
  std::set<oci::Digest> manifests;
  std::set<oci::Digest> blobs;
  std::set<oci::ChainId> layers;  // each stands for its whole stack
};

Holds read_holds(const Store& store);

bool lease_is_live(const Store& store, const std::string& id);
// Lease files and staging directories whose owner is dead.
std::vector<std::string> dead_leases(const Store& store);
std::vector<std::string> dead_stagings(const Store& store);
// The dead owner of this staging directory ran since the last boot: what it wrote is in the page cache, or was synced.
bool is_of_this_boot(const Store& store, const std::string& id);
std::string boot_id();

}  // namespace proa::store
