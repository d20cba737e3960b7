#include "libcommon/config/registries.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/paths.h"
#include "libcommon/config/toml.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/file.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/user.h"

namespace proa::config {
namespace {

constexpr std::uint64_t kMaxConfigFile = 4 << 20;

std::string text_of(const toml::table& table, std::string_view key) {
  return table[key].value<std::string>().value_or("");
}

bool flag_of(const toml::table& table, std::string_view key) { return table[key].value<bool>().value_or(false); }

std::string without_slashes(std::string text) {
  while (text.ends_with('/')) text.pop_back();
  return text;
}

Mirror::Pull pull_kind(const std::string& text, bool digest_only, std::string_view file) {
  if (text.empty()) return digest_only ? Mirror::Pull::DigestOnly : Mirror::Pull::All;
  if (text == "all") return Mirror::Pull::All;
  if (text == "digest-only") return Mirror::Pull::DigestOnly;
  if (text == "tag-only") return Mirror::Pull::TagOnly;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("{}: pull-from-mirror must be all, digest-only or tag-only", file));
}

RegistryRule parse_rule(const toml::table& table, std::string_view file) {
  RegistryRule rule;
  rule.location = without_slashes(text_of(table, "location"));
  rule.prefix = without_slashes(text_of(table, "prefix"));
  if (rule.prefix.empty()) rule.prefix = rule.location;
  rule.insecure = flag_of(table, "insecure");
  rule.blocked = flag_of(table, "blocked");
  if (rule.prefix.empty())
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}: a [[registry]] needs prefix or location", file));
  if (rule.location.find("://") != std::string::npos) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: a location has no scheme: {}", file, escape_control(rule.location)));
  }
  if (rule.prefix.find('*') != std::string::npos &&
      (!rule.prefix.starts_with("*.") || rule.prefix.find_first_of("*/:", 1) != std::string::npos)) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: \"{}\": a prefix with a wildcard has the form *.example.com", file,
                            escape_control(rule.prefix)));
  }
  if (table.contains("pull-from-mirror"))
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}: pull-from-mirror belongs in [[registry.mirror]]", file));
  const bool digest_only = flag_of(table, "mirror-by-digest-only");
  if (const auto* mirrors = table["mirror"].as_array()) {
    for (const auto& node : *mirrors) {
      const auto* entry = node.as_table();
      if (entry == nullptr) continue;
      Mirror mirror;
      mirror.location = without_slashes(text_of(*entry, "location"));
      mirror.insecure = flag_of(*entry, "insecure");
      mirror.pull = pull_kind(text_of(*entry, "pull-from-mirror"), digest_only, file);
      if (digest_only && entry->contains("pull-from-mirror")) {
        throw Error(ErrorCode::InvalidArgument,
                    fmt::format("{}: mirror-by-digest-only and pull-from-mirror exclude each other", file));
      }
      if (mirror.location.empty())
        throw Error(ErrorCode::InvalidArgument, fmt::format("{}: a mirror needs a location", file));
      rule.mirrors.push_back(std::move(mirror));
    }
  }
  return rule;
}

// How much of `reference` (with tag and digest) a prefix covers. It ends at a border: ':', '/', '@' or the end, so that
// "example.com" is about example.com:5000, too. "*.example.com" covers the hosts below.
std::optional<std::size_t> covers(std::string_view prefix, std::string_view reference) {
  std::size_t end = prefix.size();
  if (prefix.starts_with("*.")) {
    const auto at = reference.substr(0, reference.find_first_of(":/")).rfind(prefix.substr(1));
    if (at == std::string_view::npos) return std::nullopt;
    end = at + prefix.size() - 1;
  } else if (!reference.starts_with(prefix)) {
    return std::nullopt;
  }
  const bool ends_there =
      end == reference.size() || std::string_view(":/@").find(reference[end]) != std::string_view::npos;
  return ends_there ? std::optional(end) : std::nullopt;
}

Endpoint endpoint_at(const std::string& full) {
  const auto slash = full.find('/');
  if (slash == std::string::npos)
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}: no repository below this location", full));
  // The port of a reference has no place behind a location with a path.
  if (full.find(':', slash) != std::string::npos) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: registries.conf makes no valid name of the reference", escape_control(full)));
  }
  return Endpoint{.host = full.substr(0, slash), .repository = full.substr(slash + 1)};
}

// What follows the prefix in the name; a prefix may go as far as a tag.
std::string rest_of(const RegistryRule& rule, const oci::Reference& reference) {
  std::string name = reference.name();
  name.erase(0, std::min(name.size(), covers(rule.prefix, reference.str()).value_or(0)));
  return name;
}

ShortNameMode short_name_mode(const std::string& text, std::string_view file) {
  if (text == "enforcing") return ShortNameMode::Enforcing;
  if (text == "permissive") return ShortNameMode::Permissive;
  if (text == "disabled") return ShortNameMode::Disabled;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("{}: short-name-mode must be enforcing, permissive or disabled", file));
}

std::vector<std::string> texts_of(const toml::table& table, std::string_view key) {
  std::vector<std::string> result;
  if (const auto* list = table[key].as_array()) {
    for (const auto& node : *list) {
      if (auto text = node.value<std::string>()) result.push_back(*std::move(text));
    }
  }
  return result;
}

// Where podman remembers what its user chose for a short name.
std::string chosen_aliases_file() {
  // In a user namespace of ours every user is 0.
  if (::geteuid() == 0 && !os::in_user_namespace()) return "/var/cache/containers/short-name-aliases.conf";
  const char* value = std::getenv("XDG_CACHE_HOME");
  const std::string cache = value != nullptr && *value != '\0' ? value : os::join(os::home_directory(), ".cache");
  return os::join(cache, "containers/short-name-aliases.conf");
}

Registries load_file(const std::string& path) {
  const auto text = os::try_read_file(path, kMaxConfigFile);
  return text ? Registries::parse(*text, path) : Registries{};
}

std::vector<std::string> drop_ins(const std::string& folder) {
  std::vector<std::string> files;
  if (!os::exists(folder)) return files;
  for (const auto& name : os::list_dir(folder)) {
    if (name.ends_with(".conf")) files.push_back(os::join(folder, name));
  }
  return files;
}

}  // namespace

Registries Registries::parse(std::string_view text, std::string_view name) {
  const toml::table root = parse_toml(text, name);
  Registries result;
  if (root.contains("registries")) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}: version 1 of this file is not supported", name),
                "write [[registry]] tables and unqualified-search-registries instead");
  }
  for (auto& host : texts_of(root, "unqualified-search-registries"))
    result.search_.push_back(without_slashes(std::move(host)));
  result.helpers_ = texts_of(root, "credential-helpers");
  if (root.contains("short-name-mode")) result.mode_ = short_name_mode(text_of(root, "short-name-mode"), name);
  if (const auto* list = root["registry"].as_array()) {
    for (const auto& node : *list) {
      if (const auto* table = node.as_table()) result.rules_.push_back(parse_rule(*table, name));
    }
  }
  if (const auto* table = root["aliases"].as_table()) {
    for (const auto& [key, node] : *table) {
      if (const auto target = node.value<std::string>()) result.aliases_.emplace_back(key.str(), *target);
    }
  }
  return result;
}

Registries Registries::load() {
  Registries result;
  const char* fixed = std::getenv("CONTAINERS_REGISTRIES_CONF");
  if (fixed != nullptr && *fixed != '\0') {
    result.merge(parse(os::read_file(fixed, kMaxConfigFile), fixed));
  } else {
    const std::string own = os::join(config_home(), "containers/registries.conf");
    const std::string system = "/etc/containers/registries.conf";
    // Who has a file of their own takes nothing from the machine's.
    const bool has_own = os::exists(own);
    std::vector<std::string> files{has_own ? own : system};
    for (const auto& folder : has_own ? std::vector{own + ".d"} : std::vector{system + ".d", own + ".d"}) {
      for (auto& file : drop_ins(folder)) files.push_back(std::move(file));
    }
    for (const auto& file : files) result.merge(load_file(file));
  }
  Registries chosen;
  chosen.aliases_ = load_file(chosen_aliases_file()).aliases_;
  result.merge(std::move(chosen));
  return result;
}

// A later file takes the place of what an earlier one says about the same prefix or alias, and of the search list if it
// has one.
void Registries::merge(Registries other) {
  if (!other.search_.empty()) search_ = std::move(other.search_);
  if (!other.helpers_.empty()) helpers_ = std::move(other.helpers_);
  if (other.mode_) mode_ = other.mode_;
  for (auto& rule : other.rules_) {
    std::erase_if(rules_, [&](const RegistryRule& old) { return old.prefix == rule.prefix; });
    rules_.push_back(std::move(rule));
  }
  for (auto& alias : other.aliases_) {
    std::erase_if(aliases_, [&](const auto& old) { return old.first == alias.first; });
    if (!alias.second.empty()) aliases_.push_back(std::move(alias));  // an empty target takes an alias back
  }
}

const RegistryRule* Registries::rule_for(const oci::Reference& reference) const {
  const RegistryRule* best = nullptr;
  for (const auto& rule : rules_) {
    if (!covers(rule.prefix, reference.str())) continue;
    // An exact prefix goes before a wildcard, however long that is.
    const bool wild = rule.prefix.starts_with("*.");
    const bool best_wild = best != nullptr && best->prefix.starts_with("*.");
    if (best == nullptr || (best_wild && !wild) || (wild == best_wild && rule.prefix.size() > best->prefix.size()))
      best = &rule;
  }
  return best;
}

Endpoint Registries::primary(const oci::Reference& reference) const {
  const RegistryRule* rule = rule_for(reference);
  if (rule == nullptr) return Endpoint{.host = reference.domain(), .repository = reference.path()};
  if (rule->blocked) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: registries.conf blocks {}", reference.familiar(), escape_control(rule->prefix)));
  }
  Endpoint endpoint =
      endpoint_at(rule->location.empty() ? reference.name() : rule->location + rest_of(*rule, reference));
  endpoint.insecure = rule->insecure;
  return endpoint;
}

std::vector<Endpoint> Registries::endpoints(const oci::Reference& reference) const {
  std::vector<Endpoint> result;
  Endpoint last = primary(reference);
  if (const RegistryRule* rule = rule_for(reference)) {
    const std::string rest = rest_of(*rule, reference);
    for (const auto& mirror : rule->mirrors) {
      const bool by_digest = reference.digest().has_value();
      if (mirror.pull == Mirror::Pull::DigestOnly && !by_digest) continue;
      if (mirror.pull == Mirror::Pull::TagOnly && by_digest) continue;
      Endpoint endpoint = endpoint_at(mirror.location + rest);
      endpoint.insecure = mirror.insecure;
      endpoint.mirror = true;
      result.push_back(std::move(endpoint));
    }
  }
  result.push_back(std::move(last));
  return result;
}

std::vector<oci::Reference> Registries::candidates(std::string_view name) const {
  const oci::Reference plain = oci::Reference::parse_normalized(name);
  const std::string_view first = name.substr(0, name.find('/'));
  const bool has_registry =
      first.size() != name.size() && (first == "localhost" || first.find_first_of(".:") != std::string_view::npos);
  if (has_registry) return {plain};

  const std::string_view bare = name.substr(0, name.find_first_of(":@"));
  const auto with_version = [&](const std::string& repository) {
    return oci::Reference::parse_normalized(repository + std::string(name.substr(bare.size())));
  };
  if (mode_ != ShortNameMode::Disabled) {
    for (const auto& [alias, target] : aliases_) {
      if (alias == bare) return {with_version(target)};
    }
  }
  if (search_.empty()) return {plain};
  std::vector<oci::Reference> result;
  for (const auto& host : search_) result.push_back(with_version(host + "/" + std::string(bare)));
  if (mode_ == ShortNameMode::Enforcing && result.size() > 1) {
    std::vector<std::string> names;
    for (const auto& reference : result) names.push_back(reference.str());
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("short-name resolution enforced: \"{}\" may mean {}", escape_control(name), join(names, ", ")),
        "write one of these names, or give the short one an alias in registries.conf");
  }
  return result;
}

}  // namespace proa::config
