// Images as the rows of a listing, with the fields that docker and podman offer, and the filters on them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "libcommon/store/store.h"

namespace proa::copy {

struct RowOptions {
  bool no_trunc = false;
  bool full_names = false;  // JSON: names as they are stored
};

// One row for each name; an image without names has one with "<none>".
nlohmann::json image_rows(const store::Store& store, const std::vector<store::StoredImage>& images,
                          const RowOptions& options);

// Keeps what fits all filters, "key=value" as `images --filter` takes them. InvalidArgument for a filter that is not
// known.
std::vector<store::StoredImage> filter_images(const store::Store& store, std::vector<store::StoredImage> images,
                                              const std::vector<std::string>& filters);

// "3 weeks ago", "" when the time is not known.
std::string ago(const std::optional<std::string>& rfc3339);

}  // namespace proa::copy
