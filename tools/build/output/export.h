// Where a finished build goes besides the store.
#pragma once

#include "libcommon/store/store.h"
#include "tools/build/output/output_spec.h"
#include "tools/build/steps/session.h"

namespace proa::build {

// All files of the result, as a folder of the user's or as a tar.
void export_files(Session& session, const Snapshot& snapshot, const OutputSpec& output);

// A stored image to an archive, a layout or registries, by proa-copy. `flags`: --authfile and the like.
void export_image(const store::StoredImage& image, const OutputSpec& output, const std::vector<std::string>& flags);

// The same to a place as skopeo names it: "oci:DIR", "docker://NAME".
void export_to(const store::StoredImage& image, const std::string& place, const std::vector<std::string>& flags);

// One layer for all above the first `kept` ones; the history stays.
Snapshot squash_layers(Session& session, const Snapshot& snapshot, std::size_t kept);

}  // namespace proa::build
