#include "libcommon/config/auth.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/base64.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/auth_file.h"
#include "libcommon/config/credential_helper.h"
#include "libcommon/config/paths.h"
#include "libcommon/config/registries.h"
#include "libcommon/os/file.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/user.h"

namespace proa::config {
namespace {

using OrderedJson = nlohmann::ordered_json;  // a file that we rewrite keeps its order

constexpr std::string_view kAuthFiles = "containers-auth.json";
constexpr std::string_view kDockerHubKey = "https://index.docker.io/v1/";

// "https://index.docker.io/v1/" -> "docker.io", "https://quay.io" -> "quay.io", "quay.io/org" stays: docker writes
// URLs, podman names.
std::string normalized_key(std::string_view key) {
  std::string_view rest = key;
  bool is_url = false;
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (rest.starts_with(scheme)) {
      rest.remove_prefix(scheme.size());
      is_url = true;
    }
  }
  while (rest.ends_with('/')) rest.remove_suffix(1);
  std::string host(rest.substr(0, rest.find('/')));
  std::string path(rest.substr(host.size()));
  if (is_url || path == "/v1" || path == "/v2") path.clear();
  if (host == "index.docker.io" || host == "registry-1.docker.io") host = "docker.io";
  return host + path;
}

// "quay.io/org/app", "quay.io/org", "quay.io"
std::vector<std::string> keys_for(std::string_view name) {
  std::vector<std::string> keys{normalized_key(name)};
  while (true) {
    const auto slash = keys.back().rfind('/');
    if (slash == std::string::npos) return keys;
    keys.push_back(keys.back().substr(0, slash));
  }
}

const OrderedJson* member(const OrderedJson& object, std::string_view name) {
  if (!object.is_object()) return nullptr;
  const auto at = object.find(name);
  return at == object.end() ? nullptr : &*at;
}

std::string text_member(const OrderedJson& object, std::string_view name) {
  const OrderedJson* value = member(object, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string{};
}

std::optional<Credentials> decode_entry(const OrderedJson& entry, const std::string& path) {
  Credentials result;
  result.identity_token = text_member(entry, "identitytoken");
  result.username = text_member(entry, "username");
  result.password = text_member(entry, "password");
  const std::string auth = text_member(entry, "auth");
  if (!auth.empty()) {
    const auto plain = base64_decode(auth);
    const auto colon = plain ? plain->find(':') : std::string::npos;
    if (colon == std::string::npos)
      throw Error(ErrorCode::InvalidArgument, fmt::format("{}: an `auth` entry is malformed", path));
    result.username = plain->substr(0, colon);
    result.password = plain->substr(colon + 1);
    // docker pads the password of old entries with NUL.
    while (!result.password.empty() && result.password.back() == '\0') result.password.pop_back();
  }
  if (result.username.empty() && result.identity_token.empty()) return std::nullopt;
  return result;
}

// The key as written in the object that means `wanted`.
std::optional<std::string> written_key(const OrderedJson* object, const std::string& wanted) {
  if (object == nullptr || !object->is_object()) return std::nullopt;
  if (object->contains(wanted)) return wanted;
  for (const auto& [key, value] : object->items()) {
    if (normalized_key(key) == wanted) return key;
  }
  return std::nullopt;
}

// Helper name and the address to ask it for.
std::optional<std::pair<std::string, std::string>> helper_for(const OrderedJson& file, const std::string& key) {
  const OrderedJson* helpers = member(file, "credHelpers");
  const auto written = written_key(helpers, key);
  if (!written || !helpers->at(*written).is_string()) return std::nullopt;
  return std::pair{helpers->at(*written).get<std::string>(), *written};
}

// The store that a file of docker's keeps all its secrets in. It knows hosts, no paths.
std::string store_for(const OrderedJson& file, const std::string& key) {
  return key.find('/') == std::string::npos ? text_member(file, "credsStore") : std::string{};
}

// Under which address helpers know a host.
std::string helper_address(const std::string& host) { return host == "docker.io" ? std::string(kDockerHubKey) : host; }

std::optional<Credentials> find_in_file(const OrderedJson& file, const std::vector<std::string>& keys,
                                        const std::string& path) {
  const OrderedJson* auths = member(file, "auths");
  for (const auto& key : keys) {
    if (const auto helper = helper_for(file, key)) {
      if (auto found = helper_get(helper->first, helper->second)) return found;
    }
    if (const auto written = written_key(auths, key)) {
      if (auto found = decode_entry(auths->at(*written), path)) return found;
    }
  }
  const std::string store = store_for(file, keys.back());
  return store.empty() ? std::nullopt : helper_get(store, helper_address(keys.back()));
}

std::vector<std::string> files_to_read(const AuthLocation& where) {
  if (!where.file.empty()) return {where.file};
  if (auto path = environment("REGISTRY_AUTH_FILE"); !path.empty()) return {path};
  std::vector<std::string> files{auth_file_for_writing(where)};
  files.push_back(os::join(config_home(), "containers/auth.json"));
  const auto docker = environment("DOCKER_CONFIG");
  files.push_back(os::join(docker.empty() ? os::join(os::home_directory(), ".docker") : docker, "config.json"));
  return files;
}

// `credential-helpers` of registries.conf, without it the auth files.
std::vector<std::string> places_to_ask() {
  auto places = Registries::load().credential_helpers();
  if (places.empty()) places.emplace_back(kAuthFiles);
  return places;
}

std::string program_of(const std::string& helper) { return "docker-credential-" + helper; }

}  // namespace

Credentials Credentials::parse(std::string_view text) {
  const auto parts = cut(text, ":");
  Credentials result;
  result.username = parts ? parts->first : text;
  if (parts) result.password = parts->second;
  if (result.username.empty())
    throw Error(ErrorCode::InvalidArgument, "credentials need a user name", "write USER:PASSWORD");
  return result;
}

std::string auth_file_for_writing(const AuthLocation& where) {
  if (!where.file.empty()) return where.file;
  if (auto path = environment("REGISTRY_AUTH_FILE"); !path.empty()) return path;
  if (auto folder = environment("XDG_RUNTIME_DIR"); !folder.empty()) return os::join(folder, "containers/auth.json");
  // In a user namespace of ours every user is 0.
  if (::geteuid() == 0 && !os::in_user_namespace()) return "/run/containers/0/auth.json";
  return os::join(config_home(), "containers/auth.json");
}

std::optional<Credentials> find_credentials(std::string_view name, const AuthLocation& where) {
  const auto keys = keys_for(name);
  for (const auto& place : places_to_ask()) {
    if (place != kAuthFiles) {
      if (auto found = helper_get(place, helper_address(keys.back()))) return found;
      continue;
    }
    for (const auto& path : files_to_read(where)) {
      const auto file = read_auth_file(path);
      if (!file) continue;
      if (auto found = find_in_file(*file, keys, path)) return found;
    }
  }
  return std::nullopt;
}

std::optional<std::string> file_with_credentials(std::string_view name, const AuthLocation& where) {
  const auto keys = keys_for(name);
  for (const auto& path : files_to_read(where)) {
    const auto file = read_auth_file(path);
    if (file && find_in_file(*file, keys, path)) return path;
  }
  return std::nullopt;
}

std::string store_credentials(std::string_view key, const Credentials& credentials, const AuthLocation& where) {
  const std::string wanted = normalized_key(key);
  const std::string first = places_to_ask().front();
  if (first != kAuthFiles && where.file.empty() && wanted.find('/') == std::string::npos) {
    helper_store(first, helper_address(wanted), credentials);
    return program_of(first);
  }
  std::string holder = auth_file_for_writing(where);
  edit_auth_file(auth_file_for_writing(where), [&](OrderedJson& json) {
    if (const auto helper = helper_for(json, wanted)) {
      helper_store(helper->first, helper->second, credentials);
      holder = program_of(helper->first);
      return false;
    }
    OrderedJson entry = OrderedJson::object();
    std::string written = wanted;
    if (const auto store = store_for(json, wanted); !store.empty()) {
      written = helper_address(wanted);
      helper_store(store, written, credentials);
      holder = program_of(store);  // an empty entry says that there is something, as with docker
    } else {
      entry["auth"] = base64_encode(credentials.username + ":" + credentials.password);
      if (!credentials.identity_token.empty()) entry["identitytoken"] = credentials.identity_token;
    }
    OrderedJson& auths = json["auths"];
    if (!auths.is_object()) auths = OrderedJson::object();
    if (const auto old = written_key(&auths, wanted)) auths.erase(*old);
    auths[written] = std::move(entry);
    return true;
  });
  return holder;
}

bool remove_credentials(std::string_view key, const AuthLocation& where) {
  const std::string wanted = normalized_key(key);
  bool removed = false;
  for (const auto& place : places_to_ask()) {
    const bool has = place != kAuthFiles && where.file.empty() && helper_get(place, helper_address(wanted));
    if (has) removed = helper_erase(place, helper_address(wanted)) || removed;
  }
  edit_auth_file(auth_file_for_writing(where), [&](OrderedJson& json) {
    if (const auto helper = helper_for(json, wanted)) removed = helper_erase(helper->first, helper->second) || removed;
    const auto written = written_key(member(json, "auths"), wanted);
    if (!written) return false;
    if (const auto store = store_for(json, wanted); !store.empty()) helper_erase(store, helper_address(wanted));
    json["auths"].erase(*written);
    return removed = true;
  });
  return removed;
}

void remove_all_credentials(const AuthLocation& where) {
  edit_auth_file(auth_file_for_writing(where), [](OrderedJson& json) {
    if (const OrderedJson* helpers = member(json, "credHelpers")) {
      for (const auto& [address, helper] : helpers->items()) {
        if (helper.is_string()) helper_erase(helper.get<std::string>(), address);
      }
    }
    const OrderedJson* auths = member(json, "auths");
    if (auths == nullptr) return false;
    for (const auto& [key, value] : auths->items()) {
      if (const auto store = store_for(json, normalized_key(key)); !store.empty())
        helper_erase(store, helper_address(normalized_key(key)));
    }
    json["auths"] = OrderedJson::object();
    return true;
  });
}

std::vector<std::string> credential_keys(const AuthLocation& where) {
  std::vector<std::string> keys;
  const auto file = read_auth_file(auth_file_for_writing(where));
  const OrderedJson* auths = file ? member(*file, "auths") : nullptr;
  if (auths == nullptr || !auths->is_object()) return keys;
  for (const auto& [key, value] : auths->items()) keys.push_back(normalized_key(key));
  return keys;
}

}  // namespace proa::config
