#pragma once

#include <string>

#include "libcommon/os/unique_fd.h"

namespace proa::transport {

// A file without a name (O_TMPFILE) in $TMPDIR, else /var/tmp: gone with its last descriptor, whatever happens to us.
os::UniqueFd nameless_temp_file();

}  // namespace proa::transport
