#include "libcommon/config/lookaside.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/policy.h"
#include "libcommon/config/yaml.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/file.h"
#include "libcommon/os/user.h"

namespace proa::config {
namespace {

constexpr std::uint64_t kMaxFile = 1 << 20;
constexpr const char* kSystemFolder = "/etc/containers/registries.d";

[[noreturn]] void invalid(const std::string& name, std::size_t line, std::string_view problem) {
  throw Error(ErrorCode::InvalidArgument, fmt::format("{}:{}: {}", name, line, problem),
              "the file is described in containers-registries.d(5)");
}

std::string parse_url(const YamlNode& value, const std::string& name) {
  const bool known = value.scalar.starts_with("file:///") || value.scalar.starts_with("https://") ||
                     value.scalar.starts_with("http://");
  if (!known) invalid(name, value.line, "expected a URL: file:///, https:// or http://");
  std::string url = value.scalar;
  while (url.ends_with('/')) url.pop_back();
  return url;
}

LookasideSection parse_section(const YamlNode& node, const std::string& name) {
  if (node.kind != YamlNode::Kind::Mapping) invalid(name, node.line, "expected keys below this one");
  LookasideSection section;
  std::string old_read, old_write;
  for (const auto& [key, value] : node.members) {
    if (key == "lookaside") {
      section.read_url = parse_url(value, name);
    } else if (key == "lookaside-staging") {
      section.write_url = parse_url(value, name);
    } else if (key == "sigstore") {
      old_read = parse_url(value, name);
    } else if (key == "sigstore-staging") {
      old_write = parse_url(value, name);
    } else if (key == "use-sigstore-attachments") {
      if (value.scalar != "true" && value.scalar != "false") invalid(name, value.line, "expected true or false");
      section.attachments = value.scalar == "true";
    } else {
      invalid(name, value.line, fmt::format("unknown key \"{}\"", escape_control(key)));
    }
  }
  if (section.read_url.empty()) section.read_url = old_read;
  if (section.write_url.empty()) section.write_url = old_write;
  return section;
}

std::string default_url() {
  // Root inside our user namespace is still the user: the home says whose it is.
  const auto home = os::home_directory();
  const bool root = ::geteuid() == 0 && home == "/root";
  return "file://" + (root ? std::string("/var/lib/containers/sigstore") : home + "/.local/share/containers/sigstore");
}

}  // namespace

void Lookasides::add(std::string_view yaml, const std::string& name) {
  const auto document = [&] {
    const While reading{[&] { return name; }};
    return parse_yaml(yaml);
  }();
  using Kind = YamlNode::Kind;
  if (document.kind != Kind::Mapping && document.kind != Kind::Null) invalid(name, document.line, "expected keys");
  for (const auto& [key, value] : document.members) {
    if (key == "default-docker") {
      if (default_) invalid(name, value.line, fmt::format("default-docker is described in {} already", default_from_));
      default_ = parse_section(value, name);
      default_from_ = name;
    } else if (key == "docker") {
      if (value.kind != Kind::Mapping && value.kind != Kind::Null)
        invalid(name, value.line, "expected scopes below this key");
      for (const auto& [scope, section] : value.members) {
        if (!scopes_.emplace(scope, parse_section(section, name)).second)
          invalid(name, section.line, fmt::format("{} is described in another file already", escape_control(scope)));
      }
    } else {
      invalid(name, value.line, fmt::format("unknown key \"{}\"", escape_control(key)));
    }
  }
}

Lookasides Lookasides::load(const std::optional<std::string>& folder) {
  std::string place;
  if (folder) {
    place = *folder;
  } else {
    place = os::join(os::home_directory(), ".config/containers/registries.d");
    if (!os::exists(place)) place = kSystemFolder;
  }
  Lookasides result;
  if (!os::exists(place)) return result;
  auto names = os::list_dir(place);
  std::ranges::sort(names);
  for (const auto& name : names) {
    if (!name.ends_with(".yaml")) continue;
    const auto path = os::join(place, name);
    result.add(os::read_file(path, kMaxFile), path);
  }
  return result;
}

// What the nearest scope says that says anything about it.
template <typename Pick>
auto Lookasides::first(const oci::Reference& reference, Pick pick) const {
  std::vector<std::string> scopes = docker_namespaces(reference);
  scopes.insert(scopes.begin(), reference.str());
  for (const auto& scope : scopes) {
    const auto found = scopes_.find(scope);
    if (found == scopes_.end()) continue;
    if (auto value = pick(found->second)) return value;
  }
  return default_ ? pick(*default_) : std::nullopt;
}

std::optional<std::string> Lookasides::configured_url(const oci::Reference& reference, Access access) const {
  return first(reference, [access](const LookasideSection& section) -> std::optional<std::string> {
    if (access == Access::Write && !section.write_url.empty()) return section.write_url;
    return section.read_url.empty() ? std::nullopt : std::optional(section.read_url);
  });
}

std::string Lookasides::url(const oci::Reference& reference, Access access) const {
  auto configured = configured_url(reference, access);
  return configured ? *configured : default_url();
}

std::string Lookasides::url_of_scope(std::string_view scope) const {
  const auto shown = [](const LookasideSection& section) {
    return section.read_url.empty() ? section.write_url : section.read_url;
  };
  while (!scope.empty()) {
    if (const auto found = scopes_.find(scope); found != scopes_.end()) return shown(found->second);
    const auto slash = scope.rfind('/');
    scope = scope.substr(0, slash == std::string_view::npos ? 0 : slash);
  }
  return default_ ? shown(*default_) : std::string();
}

bool Lookasides::attachments(const oci::Reference& reference) const {
  return first(reference, [](const LookasideSection& section) { return section.attachments; }).value_or(false);
}

}  // namespace proa::config
