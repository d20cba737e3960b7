// Claims on layers that are being made. Internal to the store.
#pragma once

#include <vector>

#include "libcommon/oci/digest.h"
#include "libcommon/os/file.h"
#include "libcommon/os/unique_fd.h"

namespace proa::store {

// One lock for each chain id: a byte range of locks/layers, at an offset taken from the id, held by the open file
// (F_OFD_SETLKW, Linux 3.15). So a thousand layers take one descriptor and leave no files behind. A collision of
// offsets only makes one wait.
class LayerClaims {
 public:
  // Waits for the present holders. Always in the order of offsets and all at once, so no two can wait for each other.
  void acquire(const std::vector<oci::ChainId>& chains, const os::Path& lock_file);

 private:
  os::UniqueFd fd_;
};

}  // namespace proa::store
