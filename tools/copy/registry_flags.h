// The flags that say how to talk to a registry: the same for all verbs, with "src-" or "dest-" before them in `copy`.
#pragma once

#include <optional>
#include <string>

#include "libcommon/cli/command.h"
#include "libcommon/config/auth.h"
#include "libcommon/transport/docker.h"

namespace proa::copy {

inline void set_credentials(transport::RegistryOptions& options, const std::string& text) {
  auto credentials = config::Credentials::parse(text);
  options.username = credentials.username;
  options.password = credentials.password;
}

template <typename Options>
void registry_flags(cli::CommandBuilder<Options>& builder, transport::RegistryOptions Options::*field,
                    const std::string& prefix = "") {
  using transport::RegistryOptions;
  const auto add = [&](const std::string& name, auto setter, std::string help, std::string placeholder) {
    builder.custom(
        prefix + name, [field, setter](Options& options, const std::string& text) { setter(options.*field, text); },
        std::move(help), std::move(placeholder));
  };
  add(
      "authfile", [](RegistryOptions& o, const std::string& text) { o.authfile = text; },
      "Path of the file with credentials", "FILE");
  add(
      "cert-dir", [](RegistryOptions& o, const std::string& text) { o.certificates = text; },
      "Folder of certificates (*.crt, *.cert, *.key) for the registry", "DIR");
  add(
      "creds", [](RegistryOptions& o, const std::string& text) { set_credentials(o, text); },
      "Credentials for the registry", "USER[:PASSWORD]");
  add(
      "tls-verify", [](RegistryOptions& o, const std::string& text) { o.tls_verify = cli::parse_bool(text); },
      "Require HTTPS and verify certificates", "");
}

// The less common ones of skopeo.
template <typename Options>
void more_registry_flags(cli::CommandBuilder<Options>& builder, transport::RegistryOptions Options::*field,
                         const std::string& prefix = "") {
  using transport::RegistryOptions;
  const auto add = [&](const std::string& name, auto setter, std::string help, std::string placeholder) {
    builder.custom(
        prefix + name, [field, setter](Options& options, const std::string& text) { setter(options.*field, text); },
        std::move(help), std::move(placeholder));
  };
  add(
      "no-creds", [](RegistryOptions& o, const std::string& text) { o.no_credentials = cli::parse_bool(text); },
      "Use no credentials, though some may be stored", "");
  add(
      "username", [](RegistryOptions& o, const std::string& text) { o.username = text; }, "User name for the registry",
      "USER");
  add(
      "password", [](RegistryOptions& o, const std::string& text) { o.password = text; }, "Password for the registry",
      "PASSWORD");
  add(
      "registry-token", [](RegistryOptions& o, const std::string& text) { o.registry_token = text; },
      "Bearer token for the registry", "TOKEN");
}

template <typename Options>
void retry_flags(cli::CommandBuilder<Options>& builder, transport::RegistryOptions Options::*field,
                 const std::string& name) {
  builder.custom(
      name,
      [field](Options& options, const std::string& text) { cli::detail::store_value((options.*field).retries, text); },
      "How often to try again after a failure of the network", "N");
  // Delays follow the registry's wish, else grow from half a second; accepted so that scripts work.
  builder
      .custom(
          "retry-delay", [](Options&, const std::string&) {}, "Accepted for compatibility", "DURATION")
      .hide_last();
}

}  // namespace proa::copy
