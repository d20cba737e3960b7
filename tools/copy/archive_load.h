// Images in archives and layouts, whatever made them, into the store.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/oci/reference.h"
#include "libcommon/transport/transport.h"

namespace proa::copy {

struct LoadableImage {
  std::unique_ptr<transport::ImageSource> source;
  std::vector<oci::Reference> names;
};

// All images of a docker-archive, oci-archive, OCI layout or dir: directory. `path` empty: standard input.
std::vector<LoadableImage> open_archive(const std::string& path);

// The name that an image of a layout gets here: as it is when it says a registry or more than a tag, nullopt when it is
// none.
std::optional<oci::Reference> local_name(const std::string& name_in_layout);

}  // namespace proa::copy
