// What a container changed against its image.
#pragma once

#include <string>
#include <vector>

#include "libcommon/os/dir.h"

namespace proa::engine {

struct Change {
  char kind;  // 'A' added, 'C' changed, 'D' deleted
  std::string path;
  bool operator==(const Change&) const = default;
};
// `upper`: the overlay's upper folder; `lower`: what is below it as one tree. `hidden`: paths that are not the
// container's doing (mount points). In the order of names, a folder before what is in it.
std::vector<Change> find_changes(const os::Dir& upper, const os::Dir& lower, const std::vector<std::string>& hidden);

}  // namespace proa::engine
