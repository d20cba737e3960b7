// Layers that were unpacked by podman and its like: the tar as it was, put together again from the files on disk and
// the record of everything else that was in it (headers, padding), as the tar-split format keeps it.
#pragma once

#include <memory>

#include "libcommon/io/stream.h"
#include "libcommon/os/dir.h"

namespace proa::transport {

// `record`: JSON, one object a line. Not verified: whoever reads knows the digest.
std::unique_ptr<io::Source> open_tar_split(std::unique_ptr<io::Source> record, os::Dir files);

}  // namespace proa::transport
