// Layers applied inside a user namespace, beside a tree that must not change.
#pragma once

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>

#include "libcommon/archive/layer_apply.h"
#include "libcommon/archive/layer_make.h"
#include "libcommon/base/error.h"
#include "tests/support/environment.h"
#include "tests/support/tar_builder.h"
#include "tests/support/tree.h"

namespace proa::archive {

// The mode that the process got; nullopt: no user namespace can be had here (the tests are skipped).
std::optional<os::IdMode> entered_mode();

class LayerTest : public ::testing::Test {
 protected:
  LayerTest();
  void SetUp() override;
  void TearDown() override;

  ApplyResult apply(const std::string& tar);
  // "message" of the refusal; the test fails when there is none, or it has another code.
  std::string refusal(const std::string& tar, ErrorCode code = ErrorCode::Corrupt);
  std::string make(MakeOptions options = {});
  std::string root(const std::string& path = {}) const { return temp_.path("root" + (path.empty() ? "" : "/" + path)); }
  std::string canary(const std::string& path = {}) const {
    return temp_.path("canary" + (path.empty() ? "" : "/" + path));
  }
  std::string read(const std::string& path) const { return temp_.read("root/" + path); }
  struct stat info(const std::string& path) const;
  std::optional<std::string> xattr(const std::string& path, const std::string& name) const;
  bool is_whiteout(const std::string& path) const;
  bool exists(const std::string& path) const {
    return std::filesystem::exists(std::filesystem::symlink_status(root(path)));
  }

  proa::testing::TempDir temp_;
  ApplyOptions options_;

 private:
  std::map<std::string, std::string> canary_before_;
};

}  // namespace proa::archive
