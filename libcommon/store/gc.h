// Garbage collection: what no name, lease or container needs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcommon/store/store.h"

namespace proa::store {

struct GcReport {
  std::size_t blobs = 0;
  std::size_t layers = 0;
  std::uint64_t bytes = 0;
  // Why nothing but staging was swept: a named image is damaged, so what it needs is unknown. Empty otherwise.
  std::string blocked;
};

// Marks from index, live leases and uses; moves the rest to trash/ under the store's lock; then deletes without it.
// Deleting layers of other users' ids needs their user namespace (os::enter_user_namespace), as do the two below.
GcReport collect(const Store& store);

// Staging of dead transactions, leases of dead processes, trash. Transactions end with it.
void sweep_staging(const Store& store);

}  // namespace proa::store
