// docker://: images in registries. What the flags --creds, --tls-verify, --cert-dir, --authfile and their like say.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "libcommon/oci/platform.h"
#include "libcommon/transport/transport.h"

namespace proa::registry {
class SessionPool;
class BlobPlaces;
}  // namespace proa::registry

namespace proa::transport {

// What the commands of one run share.
std::shared_ptr<registry::SessionPool> new_session_pool();

struct RegistryOptions {
  std::optional<std::string> authfile;
  std::optional<std::string> username, password;  // --creds
  bool no_credentials = false;                    // --no-creds
  std::optional<std::string> registry_token;      // --registry-token
  std::optional<bool> tls_verify;                 // nullopt: as registries.conf has it, else verified
  std::optional<std::string> certificates;        // --cert-dir
  unsigned retries = 3;
  std::shared_ptr<registry::SessionPool> sessions = new_session_pool();
  std::shared_ptr<registry::BlobPlaces> places;  // null: nothing is remembered
  std::optional<std::string> registries_d;       // --registries.d
};

// `reference` has a tag or a digest. Nothing is asked of the registry yet.
std::unique_ptr<ImageSource> open_docker_source(const oci::Reference& reference, const RegistryOptions& options);
std::unique_ptr<ImageDestination> open_docker_destination(const oci::Reference& reference,
                                                          const RegistryOptions& options);

}  // namespace proa::transport
