#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/config/registries.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/file.h"
#include "libcommon/os/user.h"

namespace proa::config {

Certificates certificates_in(const std::string& folder) {
  Certificates result;
  const auto names = os::list_dir(folder);
  const auto has = [&](const std::string& name) { return std::ranges::find(names, name) != names.end(); };
  for (const auto& name : names) {
    const auto dot = name.rfind('.');
    if (dot == std::string::npos) continue;
    const std::string stem = name.substr(0, dot);
    const std::string kind = name.substr(dot);
    if (kind == ".crt") result.ca_files.push_back(os::join(folder, name));
    // A certificate without its key would silently go unused: say so, as docker does.
    if ((kind == ".cert" && !has(stem + ".key")) || (kind == ".key" && !has(stem + ".cert"))) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("{}: {}.cert and {}.key belong together, one is missing", folder, stem, stem));
    }
    if (kind == ".cert" && result.client_certificate.empty()) {
      result.client_certificate = os::join(folder, name);
      result.client_key = os::join(folder, stem + ".key");
    }
  }
  return result;
}

Certificates certificates_for(std::string_view host) {
  // The host is part of a path: references cannot hold a slash or "..", but a redirect or a setting might.
  if (host.empty() || host.find('/') != std::string_view::npos || host.starts_with('.')) return {};
  const char* config = std::getenv("XDG_CONFIG_HOME");
  const std::string home = config != nullptr && *config != '\0' ? config : os::join(os::home_directory(), ".config");
  for (const auto& base : {os::join(home, "containers/certs.d"), std::string("/etc/containers/certs.d"),
                           std::string("/etc/docker/certs.d")}) {
    const std::string folder = os::join(base, host);
    if (os::exists(folder)) return certificates_in(folder);
  }
  return {};
}

}  // namespace proa::config
