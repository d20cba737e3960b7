// Small images to put into a store, and the whole way of a pull to put them there.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "libcommon/store/writer.h"

namespace proa::store {

struct TestLayer {
  std::vector<std::pair<std::string, std::string>> files;  // path, content
};

struct TestImage {
  std::vector<TestLayer> layers;
  std::string created = "2026-01-02T03:04:05Z";

  // The bytes that stand for the layer's tar; its digest is digest and diff id of the layer.
  static std::string blob(const TestLayer& layer);
  std::vector<oci::DiffId> diff_ids() const;
  std::vector<oci::ChainId> chain_ids() const;
  std::string config() const;
  std::string manifest() const;
};

TestImage small_image(const std::string& seed, int layers = 2);

// All that a pull does: claims, blobs and layers that are missing, the image, commit.
StoredImage put(const Store& store, const TestImage& image, const std::vector<std::string>& names,
                const std::string& cache_key = {}, const std::string& owners = "single");

// Makes the layer's files in `diff`.
void unpack(const TestLayer& layer, const os::Dir& diff);

}  // namespace proa::store
