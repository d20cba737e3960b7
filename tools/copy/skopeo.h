// What the verbs of skopeo have in common: exit codes and flags.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "libcommon/cli/command.h"
#include "libcommon/oci/platform.h"
#include "libcommon/transport/docker.h"
#include "tools/copy/refused.h"
#include "tools/copy/registry_flags.h"

namespace proa::copy {

// 1 for a failure, 2 when an image is not there; the error is reported.
cli::ExitCode with_skopeo_exit(const std::function<cli::ExitCode()>& body);

struct PlatformOverride {
  std::string arch, os, variant;
  oci::Platform resolve() const;
};

// skopeo has them before the verb; here they follow it.
template <typename Options>
void platform_flags(cli::CommandBuilder<Options>& builder, PlatformOverride Options::*field) {
  builder
      .custom(
          "override-arch", [field](Options& o, const std::string& text) { (o.*field).arch = text; },
          "Architecture instead of this machine's", "ARCH")
      .custom(
          "override-os", [field](Options& o, const std::string& text) { (o.*field).os = text; },
          "Operating system instead of this machine's", "OS")
      .custom(
          "override-variant", [field](Options& o, const std::string& text) { (o.*field).variant = text; },
          "Variant of the architecture", "VARIANT");
}

template <typename Options>
void endpoint_flags(cli::CommandBuilder<Options>& builder, transport::RegistryOptions Options::*field,
                    const std::string& prefix) {
  registry_flags(builder, field, prefix);
  more_registry_flags(builder, field, prefix);
}

template <typename Options>
using RegistryFields = std::vector<transport::RegistryOptions Options::*>;

// --authfile, --retry-times and so on, for both ends.
template <typename Options>
void common_registry_flags(cli::CommandBuilder<Options>& builder, const RegistryFields<Options>& fields) {
  const auto each = [fields](Options& options, auto action) {
    for (const auto field : fields) action(options.*field);
  };
  builder.custom(
      "retry-times",
      [each](Options& o, const std::string& text) {
        each(o, [&](transport::RegistryOptions& registry) { cli::detail::store_value(registry.retries, text); });
      },
      "How often to try again after a failure of the network", "N");
  builder
      .custom(
          "retry-delay", [](Options&, const std::string&) {}, "Accepted for compatibility", "DURATION")
      .hide_last();
  if (fields.size() == 1) return endpoint_flags(builder, fields.front(), "");
  builder.custom(
      "authfile",
      [each](Options& o, const std::string& text) {
        each(o, [&](transport::RegistryOptions& registry) { registry.authfile = text; });
      },
      "Path of the file with credentials", "FILE");
}

}  // namespace proa::copy
