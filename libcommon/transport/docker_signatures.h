// Signatures of images in a registry: in a lookaside, which is a tree of files or a web server beside it, and as
// attachments in the registry itself, under the tag sha256-HEX.sig.
#pragma once

#include <memory>
#include <stop_token>
#include <vector>

#include "libcommon/oci/reference.h"
#include "libcommon/registry/repository.h"
#include "libcommon/transport/docker.h"
#include "libcommon/trust/signature.h"

namespace proa::transport {

// `repository` is where the manifest was read, which may be a mirror: its lookaside is asked. `reference` tells tag or
// digest.
std::vector<trust::Signature> read_docker_signatures(const registry::Repository& repository,
                                                     const oci::Reference& reference, const RegistryOptions& options,
                                                     const oci::Digest& manifest, std::stop_token stop);

// Adds to those that are there. InvalidArgument where registries.d says no place to write to.
void write_docker_signatures(const registry::Repository& repository, const oci::Reference& reference,
                             const RegistryOptions& options, const oci::Digest& manifest,
                             const std::vector<trust::Signature>& signatures, std::stop_token stop);

}  // namespace proa::transport
