// A store in a temporary directory.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "libcommon/store/writer.h"
#include "tests/support/store_images.h"

namespace proa::store {

class StoreTest : public testing::Test {
 protected:
  StoreTest();
  ~StoreTest() override;

  os::Path root() const { return base_ + "/store"; }
  Store open_store() const { return Store::open(root(), Store::Create::Yes); }
  // Everything below the root but locks: "images/blobs/sha256/...", for "nothing is left".
  std::vector<std::string> files_in(const os::Path& folder) const;
  // Config, manifest, blobs and layers as they were put.
  void expect_whole(const Store& store, const TestImage& image, const std::string& name) const;
  // No staging, leases or trash; and no blob or layer when `images` is 0.
  void expect_clean(const Store& store) const;

  os::Path base_;
};

// Runs `body` in a forked child; returns the signal that ended it, 0 when it came to its end (which must be without an
// exception).
int run_in_child(const std::function<void()>& body);

}  // namespace proa::store
