#include "libcommon/config/container_storage.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/paths.h"
#include "libcommon/config/toml.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/user.h"

namespace proa::config {
namespace {

constexpr std::uint64_t kMaxConfigFile = 1 << 20;

os::Path base_directory(const char* variable, const char* below_home) {
  auto value = environment(variable);
  return value.starts_with('/') ? value : os::join(os::home_directory(), below_home);
}

struct Configured {
  std::string graph_root, rootless_path;
  std::vector<std::string> additional;
};

// A later file says again what it wants changed.
void read_into(Configured& result, const os::Path& file) {
  const auto text = os::try_read_file(file, kMaxConfigFile);
  if (!text) return;
  const auto table = parse_toml(*text, file);
  const auto storage = table["storage"];
  if (auto value = storage["graphroot"].value<std::string>()) result.graph_root = *value;
  if (auto value = storage["rootless_storage_path"].value<std::string>()) result.rootless_path = *value;
  if (const auto* list = storage["options"]["additionalimagestores"].as_array()) {
    result.additional.clear();
    for (const auto& node : *list) {
      if (auto path = node.value<std::string>()) result.additional.push_back(*path);
    }
  }
}

std::string expand(const std::string& path) {
  auto result = replace_all(path, "$HOME", os::home_directory());
  return replace_all(result, "$USER", environment("USER"));
}

}  // namespace

std::vector<os::Path> container_storage_roots() {
  const bool rootless = ::geteuid() != 0 || os::in_user_namespace();
  Configured configured;
  if (const auto chosen = environment("CONTAINERS_STORAGE_CONF"); !chosen.empty()) {
    read_into(configured, chosen);
  } else {
    read_into(configured, "/etc/containers/storage.conf");
    // The system's graph root belongs to root.
    if (rootless) configured.graph_root.clear();
    if (rootless)
      read_into(configured, os::join(base_directory("XDG_CONFIG_HOME", ".config"), "containers/storage.conf"));
  }
  os::Path root = "/var/lib/containers/storage";
  if (rootless) root = os::join(base_directory("XDG_DATA_HOME", ".local/share"), "containers/storage");
  if (rootless && !configured.rootless_path.empty()) {
    root = expand(configured.rootless_path);
  } else if (!configured.graph_root.empty()) {
    root = expand(configured.graph_root);
  }
  std::vector<os::Path> roots = {root};
  for (const auto& path : configured.additional) roots.push_back(expand(path));
  return roots;
}

}  // namespace proa::config
