// From the upper folder of an overlay to a layer of the store.
#pragma once

#include <cstdint>
#include <optional>

#include "libcommon/base/time.h"
#include "libcommon/oci/digest.h"
#include "libcommon/os/idmap.h"
#include "libcommon/store/writer.h"

namespace proa::build {

struct NewLayer {
  oci::ChainId chain;
  oci::DiffId diff_id;
  oci::Digest blob;
  std::uint64_t size = 0;
};

bool is_empty_dir(const os::Path& path);

// Gives files that are newer than `time` (or all of them) that time, so that the same step makes the same layer.
void settle_times(const os::Path& folder, Time time, bool all);

// Writes the folder as a tar once, for diff id and blob, and renames it into the transaction.
NewLayer store_layer(store::Transaction& transaction, const os::Path& upper, const std::optional<oci::ChainId>& parent,
                     os::IdMode mode);

}  // namespace proa::build
