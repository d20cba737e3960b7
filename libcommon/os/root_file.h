// Files made inside a root.
#pragma once

#include "libcommon/os/dir.h"

namespace proa::os {

// An empty file where there is none, with the directories above it. A link to a place that does not exist is followed
// by its text, so that the file is made where the link points, inside the root. What is there may be of any kind; it is
// opened with O_PATH.
UniqueFd make_file_in_root(const Dir& root, const Path& path, mode_t mode = 0644);

}  // namespace proa::os
