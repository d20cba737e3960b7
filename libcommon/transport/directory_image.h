// dir: one image as plain files: manifest.json, version, blobs named by the hex of their digest; instances of an index
// as HEX.manifest.json.
#pragma once

#include <memory>

#include "libcommon/transport/open.h"
#include "libcommon/transport/transport.h"

namespace proa::transport {

std::unique_ptr<ImageSource> open_directory_source(const ImageName& name);
std::unique_ptr<ImageDestination> open_directory_destination(const ImageName& name, const OpenOptions& options);

}  // namespace proa::transport
