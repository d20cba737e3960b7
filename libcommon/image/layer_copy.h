// The layers of one image, several at once.
#pragma once

#include <string>
#include <vector>

#include "libcommon/image/copy.h"

namespace proa::image {

// Returns what was stored, in the order of the plan. The first failure stops the others and is thrown. `first_slot`
// numbers the blobs for the observer; `doing` is the context of errors in worker threads.
std::vector<transport::StoredBlob> copy_layers(const CopyPlan& plan, const transport::ImageSource& source,
                                               transport::ImageDestination& destination, const CopyOptions& options,
                                               const CopyContext& context, std::size_t first_slot,
                                               const std::string& doing);

}  // namespace proa::image
