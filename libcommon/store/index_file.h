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

// Only entries whose JSON holds `needle`, and all others of the same manifests. We write one entry a line, so that a
// name is found among hundreds without parsing them all (50 images: 20 us instead of 650); a file that another tool
// wrote is parsed whole.
ImageTable read_index_for(const Store& store, std::string_view needle);
// Needles for read_index_for().
std::string needle_for_name(std::string_view canonical_name);
std::string needle_for_id(std::string_view first_hex_digits);
std::string needle_for_cache_key(std::string_view key);

// Entries of one manifest joined to one image, newest first; build steps left out.
std::vector<StoredImage> images_of(const ImageTable& table);

}  // namespace proa::store
