// containers-registries.conf(5), version 2, and the folders of certificates (containers-certs.d(5)).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/oci/reference.h"

namespace proa::config {

// A place to read an image from: host[:port]/path, which may differ from what the reference says.
struct Endpoint {
  std::string host;
  std::string repository;
  bool insecure = false;  // no or unverified TLS is allowed
  bool mirror = false;    // failing is no error: the next one is asked
};

struct Mirror {
  std::string location;
  bool insecure = false;
  enum class Pull { All, DigestOnly, TagOnly } pull = Pull::All;
};

struct RegistryRule {
  std::string prefix;    // "example.com/ns", "*.example.com"
  std::string location;  // empty: the prefix itself
  bool insecure = false;
  bool blocked = false;
  std::vector<Mirror> mirrors;
};

// What a short name may mean when there is no one to ask.
enum class ShortNameMode {
  Enforcing,   // with several search registries and no alias: an error, so that nobody else's image slips in
  Permissive,  // all search registries, in order
  Disabled,    // the same, and no aliases
};

class Registries {
 public:
  // $CONTAINERS_REGISTRIES_CONF alone; else $XDG_CONFIG_HOME/containers/registries.conf and its registries.conf.d; else
  // those of /etc/containers, and the user's registries.conf.d over them. Aliases that podman's user chose win. Without
  // any file: nothing is configured.
  static Registries load();
  static Registries parse(std::string_view toml, std::string_view name);

  // Where to read `reference`, in order. InvalidArgument: blocked.
  std::vector<Endpoint> endpoints(const oci::Reference& reference) const;
  // Where to write it: the registry itself, never a mirror.
  Endpoint primary(const oci::Reference& reference) const;
  // What a short name ("app", "org/app:1") may mean, in order: its alias, else one for each
  // unqualified-search-registry, else docker.io. A name with a registry is itself. InvalidArgument: ambiguous, and the
  // mode is Enforcing.
  std::vector<oci::Reference> candidates(std::string_view name) const;

  const std::vector<std::string>& search_registries() const { return search_; }
  const std::vector<RegistryRule>& rules() const { return rules_; }
  // "containers-auth.json" (the auth files) and names of docker-credential-* programs, in the order to ask. Empty: the
  // auth files.
  const std::vector<std::string>& credential_helpers() const { return helpers_; }

 private:
  void merge(Registries other);
  const RegistryRule* rule_for(const oci::Reference& reference) const;

  std::vector<std::string> search_;
  std::vector<std::string> helpers_;
  std::optional<ShortNameMode> mode_;
  std::vector<RegistryRule> rules_;
  std::vector<std::pair<std::string, std::string>> aliases_;
};

struct Certificates {
  std::vector<std::string> ca_files;  // *.crt
  std::string client_certificate;     // *.cert
  std::string client_key;             // *.key beside it
};

// Of the first of $XDG_CONFIG_HOME/containers/certs.d, /etc/containers/certs.d, /etc/docker/certs.d that has a folder
// `host` ("host:port").
Certificates certificates_for(std::string_view host);
// Of one folder (--cert-dir). InvalidArgument: a certificate without key.
Certificates certificates_in(const std::string& folder);

}  // namespace proa::config
