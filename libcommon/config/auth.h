// Credentials of registries in the files of podman and docker (containers-auth.json(5)) and in docker-credential-*
// helpers. Nothing here is ever logged.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa::config {

struct Credentials {
  std::string username;
  std::string password;
  std::string identity_token;  // OAuth2 refresh token, instead of a password

  // "user[:password]", as --creds takes it. InvalidArgument when there is no user.
  static Credentials parse(std::string_view text);
  bool operator==(const Credentials&) const = default;
};

// Where to look. Empty: $REGISTRY_AUTH_FILE, and without it $XDG_RUNTIME_DIR/containers/auth.json,
// $XDG_CONFIG_HOME/containers/auth.json, $DOCKER_CONFIG/config.json (~/.docker/config.json) in that order.
struct AuthLocation {
  std::string file;

  bool operator==(const AuthLocation&) const = default;
};

// Credentials for `name` ("quay.io/org/app", or a host alone): the entry of the longest prefix wins, first file first.
// `credential-helpers` of registries.conf may put helpers before or after the files. nullopt: there are none. Broken
// files throw InvalidArgument, naming the file only.
std::optional<Credentials> find_credentials(std::string_view name, const AuthLocation& where = {});

// The first of these files that has some: for who wonders where they come from.
std::optional<std::string> file_with_credentials(std::string_view name, const AuthLocation& where = {});

// Into the helper that the file or registries.conf (`credential-helpers`) names for it, else into the file. Returns the
// file or helper that now holds them, for the user. `key` is a host or host/namespace.
std::string store_credentials(std::string_view key, const Credentials& credentials, const AuthLocation& where = {});
// false: there were none in the file that is written to.
bool remove_credentials(std::string_view key, const AuthLocation& where = {});
void remove_all_credentials(const AuthLocation& where = {});
// Keys of all entries of the file that is written to.
std::vector<std::string> credential_keys(const AuthLocation& where = {});

// The file that login writes: `where`, $REGISTRY_AUTH_FILE, $XDG_RUNTIME_DIR/containers/auth.json, else the one in the
// home.
std::string auth_file_for_writing(const AuthLocation& where = {});

}  // namespace proa::config
