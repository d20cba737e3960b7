#pragma once

#include <gmock/gmock.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "libcommon/base/error.h"
#include "libcommon/image/copy.h"
#include "libcommon/transport/open.h"
#include "tests/support/environment.h"
#include "tests/support/memory_image.h"

namespace proa::transport {

class TransportTest : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return dir_.path(name); }

  void copy(const ImageSource& from, const std::string& to, const image::CopyOptions& options = {},
            const OpenOptions& open = {}) const {
    const auto destination = open_destination(ImageName::parse(to), open);
    image::run_copy(from, *destination, options, {});
  }
  void copy(const std::string& from, const std::string& to, const image::CopyOptions& options = {}) const {
    copy(*open_source(ImageName::parse(from), {}), to, options);
  }
  // Everything of an image, read and verified.
  testing::Arrived read(const std::string& from, const image::CopyOptions& options = {}) const {
    testing::MemoryDestination destination;
    image::run_copy(*open_source(ImageName::parse(from), {}), destination, options, {});
    return destination;
  }
  template <typename Action>
  static Error failure(Action action) {
    try {
      action();
    } catch (const Error& error) {
      return error;
    }
    return Error(ErrorCode::Internal, "no error");
  }
  // Path and content of every file below the test's directory.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> result;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.path())) {
      const auto name = entry.path().string().substr(dir_.path().size() + 1);
      result[name] = entry.is_regular_file() ? dir_.read(name) : "";
    }
    return result;
  }

  testing::TempDir dir_;
};

}  // namespace proa::transport
