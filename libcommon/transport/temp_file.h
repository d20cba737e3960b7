#pragma once

#include <string>

#include "libcommon/os/unique_fd.h"

namespace proa::transport {

// $TMPDIR, else /var/tmp. Not /tmp, which is often memory: what is spooled here can be as large as an image.
std::string temp_folder();

// A file without a name (O_TMPFILE) in temp_folder(): gone with its last descriptor, whatever happens to us.
os::UniqueFd nameless_temp_file();

}  // namespace proa::transport
