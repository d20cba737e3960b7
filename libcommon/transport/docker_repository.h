// From a reference and the user's flags to a repository of a registry; for docker:// and for verbs that are about
// repositories (list-tags, delete, login).
#pragma once

#include <string>
#include <vector>

#include "libcommon/config/registries.h"
#include "libcommon/registry/repository.h"
#include "libcommon/transport/docker.h"

namespace proa::transport {

registry::SessionOptions session_options(const RegistryOptions& options, bool insecure);

// The registry itself, never a mirror.
registry::Repository open_repository(const oci::Reference& reference, registry::Access access,
                                     const RegistryOptions& options);
registry::Repository open_repository(const config::Endpoint& endpoint, registry::Access access,
                                     const RegistryOptions& options);

// The digest of the reference, else its tag, else "latest".
std::string version_of(const oci::Reference& reference);

}  // namespace proa::transport
