// Keys of cached steps: a digest over everything that decides what a step makes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libcommon/oci/digest.h"

namespace proa::build {

// Fields are stored with their names and lengths, so that no two lists of fields give the same bytes.
class KeyBuilder {
 public:
  // Keys of another format never match.
  explicit KeyBuilder(std::string_view kind);
  KeyBuilder& add(std::string_view name, std::string_view value);
  KeyBuilder& add(std::string_view name, const std::vector<std::string>& values);
  std::string finish() const;  // hex

 private:
  void append(std::string_view value);
  std::string text_;
};

}  // namespace proa::build
