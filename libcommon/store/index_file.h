// images/index.json as values: an OCI image index, one descriptor for each name of each image. Internal to the store.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/oci/image.h"
#include "libcommon/store/store.h"

namespace proa::store {

struct IndexEntry {
  StoredImage image;      // names: at most one, that of this entry
  std::string cache_key;  // not empty: a build step
};

struct ImageTable {
  std::vector<IndexEntry> entries;
  // Descriptors that other tools wrote, as JSON: kept as they are, and their manifests are not collected.
  std::vector<std::string> foreign;
  std::vector<oci::Digest> foreign_manifests;
};

// Corrupt when it is no index or an entry of ours cannot be read.
ImageTable parse_index(std::string_view json);
// The same, but leaves out what cannot be read and says so in `problems`; never throws Corrupt.
ImageTable parse_index_leniently(std::string_view json, std::vector<std::string>& problems);
std::string encode_index(const ImageTable& table);
ImageTable read_index(const Store& store);

// Entries of one manifest joined to one image, newest first; build steps left out.
std::vector<StoredImage> images_of(const ImageTable& table);

}  // namespace proa::store
