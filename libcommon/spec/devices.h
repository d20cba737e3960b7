// --device HOST_PATH[:CONTAINER_PATH][:ACCESS].
#pragma once

#include <string>
#include <string_view>

namespace proa::spec {

struct Device {
  std::string host_path, container_path;
  std::string access;  // of the letters r, w, m each at most once; empty when not given, which means "rwm"

  bool operator==(const Device&) const = default;
};

// InvalidArgument: no host path, a container path that is not absolute, other letters.
Device parse_device(std::string_view text);

}  // namespace proa::spec
