// docker://: images in registries. What the flags --creds, --tls-verify, --cert-dir, --authfile and their like say.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "libcommon/oci/platform.h"
#include "libcommon/transport/transport.h"

namespace proa::transport {

struct RegistryOptions {
  std::optional<std::string> authfile;
  std::optional<std::string> username, password;  // --creds
  bool no_credentials = false;                    // --no-creds
  std::optional<std::string> registry_token;      // --registry-token
  std::optional<bool> tls_verify;                 // nullopt: as registries.conf has it, else verified
  std::optional<std::string> certificates;        // --cert-dir
  unsigned retries = 3;
};

// `reference` has a tag or a digest. Nothing is asked of the registry yet.
std::unique_ptr<ImageSource> open_docker_source(const oci::Reference& reference, const RegistryOptions& options);
std::unique_ptr<ImageDestination> open_docker_destination(const oci::Reference& reference,
                                                          const RegistryOptions& options);

}  // namespace proa::transport
