// Remembers the owners that commands in a container with one mapped id ask for. A filter can answer chown(2) with
// success, but it remembers nothing; so each such call is handed to a process of ours (seccomp_unotify(2)), which looks
// the file up as the caller would, notes the wanted owner on it (os/owner_note.h) and takes set-id bits and
// capabilities away as chown(2) does. What stat(2) shows stays as it is.
#pragma once

#include "libcommon/os/process.h"
#include "libcommon/os/unique_fd.h"

namespace proa::runtime {

// For single-threaded processes that are root in the user namespace of the container. The recorder ends with the last
// process of the container; when it is gone before, the calls fail.
os::Child start_owner_recorder(os::UniqueFd listener);

}  // namespace proa::runtime
