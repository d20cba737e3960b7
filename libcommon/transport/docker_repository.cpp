#include "libcommon/transport/docker_repository.h"

#include "libcommon/registry/session_pool.h"

namespace proa::transport {

std::shared_ptr<registry::SessionPool> new_session_pool() { return std::make_shared<registry::SessionPool>(); }

registry::SessionOptions session_options(const RegistryOptions& options, bool insecure) {
  registry::SessionOptions result;
  result.tls_verify = options.tls_verify;
  if (!result.tls_verify && insecure) result.tls_verify = false;
  result.anonymous = options.no_credentials;
  if (options.username) {
    result.credentials = config::Credentials{
        .username = *options.username, .password = options.password.value_or(""), .identity_token = {}};
  }
  result.registry_token = options.registry_token.value_or("");
  result.auth.file = options.authfile.value_or("");
  result.cert_dir = options.certificates.value_or("");
  result.retry.attempts = static_cast<int>(std::min(options.retries, 100U)) + 1;
  return result;
}

registry::Repository open_repository(const config::Endpoint& endpoint, registry::Access access,
                                     const RegistryOptions& options) {
  return {options.sessions->get(endpoint.host, session_options(options, endpoint.insecure)), endpoint.repository,
          access};
}

registry::Repository open_repository(const oci::Reference& reference, registry::Access access,
                                     const RegistryOptions& options) {
  return open_repository(config::Registries::load().primary(reference), access, options);
}

std::string version_of(const oci::Reference& reference) {
  if (reference.digest()) return reference.digest()->str();
  return reference.tag().value_or("latest");
}

}  // namespace proa::transport
