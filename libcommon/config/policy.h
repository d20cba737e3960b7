// containers-policy.json(5): which images may be used, by where they come from. Parsed strictly: a file with anything
// that is not understood is refused as a whole, so that a typing error never opens a door.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/oci/reference.h"

namespace proa::config {

// What a signature has to say about the image that it is for.
struct SignedIdentity {
  enum class Kind { MatchExact, MatchRepoDigestOrExact, MatchRepository, ExactReference, ExactRepository, Remap };
  Kind kind = Kind::MatchRepoDigestOrExact;
  std::optional<oci::Reference> reference;  // ExactReference; ExactRepository: without tag and digest
  std::string prefix, signed_prefix;        // Remap

  bool operator==(const SignedIdentity&) const = default;
};

// Public keys: files, read when a signature is checked, or the bytes themselves.
struct KeySource {
  std::vector<std::string> paths;
  std::vector<std::string> data;

  bool operator==(const KeySource&) const = default;
};

struct Requirement {
  enum class Kind {
    AcceptAnything,
    Reject,
    SignedBy,        // a GPG key
    SigstoreSigned,  // a key of sigstore
    NotSupported,    // understood, but not by us: no image fulfils it
  };
  Kind kind = Kind::Reject;
  KeySource keys;
  SignedIdentity identity;
  std::string reason;  // NotSupported: "it asks for a transparency log (rekorPublicKeyPath)"

  bool operator==(const Requirement&) const = default;
};
using Requirements = std::vector<Requirement>;  // never empty; all have to be fulfilled

std::string_view requirement_name(Requirement::Kind kind);  // "signedBy"

// Where an image stands in the file: its own scope, then what contains it, nearest first.
struct PolicyScope {
  std::string transport;                // "docker"
  std::string identity;                 // "docker.io/library/busybox:latest"; empty: the transport knows no scopes
  std::vector<std::string> namespaces;  // "docker.io/library/busybox", "docker.io/library", "docker.io", "*.io"
};
// Of a reference with tag or digest. `transport` is "docker" unless another one has the same scopes.
PolicyScope docker_scope(const oci::Reference& reference);
// Of a file or directory, with all links in the path resolved: a scope names the real place.
PolicyScope path_scope(std::string transport, const std::string& path);
// docker_scope().namespaces, for other files with the same scopes.
std::vector<std::string> docker_namespaces(const oci::Reference& reference);

class Policy {
 public:
  // `file` (--policy), else $HOME/.config/containers/policy.json, else /etc/containers/policy.json. Without any of them
  // everything is accepted: docker's and podman's habit on a machine where nobody wrote one.
  static Policy load(const std::optional<std::string>& file = std::nullopt);
  static Policy parse(std::string_view json, const std::string& name);
  static Policy accept_anything();  // --insecure-policy

  const Requirements& requirements(const PolicyScope& scope) const;
  const Requirements& fallback() const { return default_; }
  const std::map<std::string, std::map<std::string, Requirements>>& transports() const { return transports_; }
  const std::string& name() const { return name_; }  // the file, for messages

 private:
  Requirements default_;
  std::map<std::string, std::map<std::string, Requirements>> transports_;
  std::string name_;
};

// The file that load() reads without --policy, whether or not it exists: the user's own when it is there.
std::string policy_file();
std::string user_policy_file();

}  // namespace proa::config
