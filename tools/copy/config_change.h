// One instruction of a Containerfile that changes an image's config, as `import --change` takes it.
#pragma once

#include <string>

#include "libcommon/oci/image.h"

namespace proa::copy {

// CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR; InvalidArgument for others.
void apply_change(oci::ImageConfig& config, const std::string& instruction);

}  // namespace proa::copy
