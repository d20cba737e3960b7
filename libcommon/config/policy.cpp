#include "libcommon/config/policy.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "libcommon/base/base64.h"
#include "libcommon/base/defer.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/json.h"
#include "libcommon/os/file.h"
#include "libcommon/os/user.h"

namespace proa::config {
namespace {

constexpr std::uint64_t kMaxPolicyFile = 8 << 20;  // keyData may be in it
constexpr const char* kSystemFile = "/etc/containers/policy.json";

using Kind = SignedIdentity::Kind;

[[noreturn]] void invalid(const std::string& where, std::string_view problem) {
  throw Error(ErrorCode::InvalidArgument, fmt::format("{}: {}", where, problem),
              "the file is described in containers-policy.json(5)");
}

// Everything that a section may hold; a key that is not listed may be a restriction that we would overlook.
void refuse_unknown_keys(const oci::JsonObject& object, const std::vector<std::string_view>& known) {
  for (const auto& item : object.value().items()) {
    if (std::ranges::find(known, item.key()) == known.end())
      invalid(object.path(), fmt::format("unknown key \"{}\"", escape_control(item.key())));
  }
}

oci::Reference parse_reference(const oci::JsonObject& object, std::string_view key) {
  const auto text = object.require_string(key);
  try {
    return oci::Reference::parse_normalized(text);
  } catch (const Error& error) {
    invalid(object.path(), fmt::format("{}: {}", key, error.message()));
  }
}

// A host, a namespace or a repository in its full form: the very text that a reference begins with.
std::string parse_prefix(const oci::JsonObject& object, std::string_view key) {
  auto text = object.require_string(key);
  const bool host_only = text.find('/') == std::string::npos;
  try {
    const auto reference = oci::Reference::parse_name(host_only ? text + "/x" : text);
    const auto& host = reference.domain();
    if (host == "localhost" || host.find_first_of(".:") != std::string::npos) return text;
  } catch (const Error&) {
    // said below
  }
  invalid(object.path(),
          fmt::format("{}: \"{}\" is no host and no repository in its full form", key, escape_control(text)));
}

SignedIdentity parse_identity(const oci::JsonObject& object) {
  static const std::map<std::string, Kind, std::less<>> kinds = {
      {"matchExact", Kind::MatchExact},           {"matchRepoDigestOrExact", Kind::MatchRepoDigestOrExact},
      {"matchRepository", Kind::MatchRepository}, {"exactReference", Kind::ExactReference},
      {"exactRepository", Kind::ExactRepository}, {"remapIdentity", Kind::Remap}};
  const auto type = object.require_string("type");
  const auto found = kinds.find(type);
  if (found == kinds.end()) invalid(object.path(), fmt::format("unknown type \"{}\"", escape_control(type)));
  SignedIdentity result{.kind = found->second, .reference = {}, .prefix = {}, .signed_prefix = {}};
  switch (result.kind) {
    case Kind::ExactReference:
      refuse_unknown_keys(object, {"type", "dockerReference"});
      result.reference = parse_reference(object, "dockerReference");
      if (!result.reference->tag() && !result.reference->digest())
        invalid(object.path(), "dockerReference needs a tag or a digest");
      break;
    case Kind::ExactRepository:
      refuse_unknown_keys(object, {"type", "dockerRepository"});
      result.reference = parse_reference(object, "dockerRepository");
      if (result.reference->tag() || result.reference->digest())
        invalid(object.path(), "dockerRepository has neither tag nor digest");
      break;
    case Kind::Remap:
      refuse_unknown_keys(object, {"type", "prefix", "signedPrefix"});
      result.prefix = parse_prefix(object, "prefix");
      result.signed_prefix = parse_prefix(object, "signedPrefix");
      break;
    case Kind::MatchExact:
    case Kind::MatchRepoDigestOrExact:
    case Kind::MatchRepository:
      refuse_unknown_keys(object, {"type"});
      break;
  }
  return result;
}

std::string decode(const oci::JsonObject& object, std::string_view key, std::string_view text) {
  auto bytes = base64_decode(text);
  if (!bytes || bytes->empty()) invalid(object.path(), fmt::format("{}: not base64", key));
  return std::move(*bytes);
}

// Exactly one of keyPath, keyPaths, keyData and keyDatas.
KeySource parse_keys(const oci::JsonObject& object) {
  KeySource keys;
  int given = 0;
  if (const auto path = object.string("keyPath")) {
    ++given;
    keys.paths = {*path};
  }
  if (const auto paths = object.strings("keyPaths")) {
    ++given;
    keys.paths = *paths;
  }
  if (const auto data = object.string("keyData")) {
    ++given;
    keys.data = {decode(object, "keyData", *data)};
  }
  if (const auto list = object.strings("keyDatas")) {
    ++given;
    for (const auto& data : *list) keys.data.push_back(decode(object, "keyDatas", data));
  }
  if (given != 1) invalid(object.path(), "exactly one of keyPath, keyPaths and keyData has to be given");
  if (keys.paths.empty() && keys.data.empty()) invalid(object.path(), "the list of keys is empty");
  return keys;
}

Requirement not_supported(std::string reason) {
  return {.kind = Requirement::Kind::NotSupported, .keys = {}, .identity = {}, .reason = std::move(reason)};
}

Requirement parse_signed_by(const oci::JsonObject& object) {
  refuse_unknown_keys(object, {"type", "keyType", "keyPath", "keyPaths", "keyData", "signedIdentity"});
  const auto key_type = object.require_string("keyType");
  if (key_type == "signedByGPGKeys" || key_type == "X509Certificates" || key_type == "signedByX509CAs")
    return not_supported(fmt::format("it asks for keys of type {}", key_type));
  if (key_type != "GPGKeys") invalid(object.path(), fmt::format("unknown keyType \"{}\"", escape_control(key_type)));
  Requirement result{.kind = Requirement::Kind::SignedBy, .keys = parse_keys(object), .identity = {}, .reason = {}};
  if (const auto identity = object.object("signedIdentity")) result.identity = parse_identity(*identity);
  return result;
}

Requirement parse_sigstore(const oci::JsonObject& object) {
  refuse_unknown_keys(object,
                      {"type", "keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki", "rekorPublicKeyPath",
                       "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas", "signedIdentity"});
  // What is looked up elsewhere (certificates of an authority, entries of a log) we cannot check: such an image is not
  // accepted, and the file stays usable for the others.
  for (const std::string_view key :
       {"fulcio", "pki", "rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas"}) {
    if (object.has_key(key)) return not_supported(fmt::format("it asks for {}, and only key files are supported", key));
  }
  Requirement result{
      .kind = Requirement::Kind::SigstoreSigned, .keys = parse_keys(object), .identity = {}, .reason = {}};
  if (const auto identity = object.object("signedIdentity")) result.identity = parse_identity(*identity);
  return result;
}

Requirement parse_requirement(const oci::JsonObject& object) {
  const auto type = object.require_string("type");
  if (type == "signedBy") return parse_signed_by(object);
  if (type == "sigstoreSigned") return parse_sigstore(object);
  if (type == "signedBaseLayer") return not_supported("it asks for a signedBaseLayer");
  if (type != "insecureAcceptAnything" && type != "reject")
    invalid(object.path(), fmt::format("unknown type \"{}\"", escape_control(type)));
  refuse_unknown_keys(object, {"type"});
  return {.kind = type == "reject" ? Requirement::Kind::Reject : Requirement::Kind::AcceptAnything,
          .keys = {},
          .identity = {},
          .reason = {}};
}

Requirements parse_requirements(const oci::JsonObject& object, const std::string& key) {
  Requirements result;
  for (const auto& entry : object.require_objects(key)) result.push_back(parse_requirement(entry));
  // An empty list would be fulfilled by anything.
  if (result.empty())
    invalid(object.path(), fmt::format("\"{}\": the list of requirements is empty", escape_control(key)));
  return result;
}

std::string real_path(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) throw system_error("resolve " + path);
  const Defer release([&]() noexcept { std::free(resolved); });
  return resolved;
}

}  // namespace

std::string_view requirement_name(Requirement::Kind kind) {
  switch (kind) {
    case Requirement::Kind::AcceptAnything:
      return "insecureAcceptAnything";
    case Requirement::Kind::Reject:
      return "reject";
    case Requirement::Kind::SignedBy:
      return "signedBy";
    case Requirement::Kind::SigstoreSigned:
      return "sigstoreSigned";
    case Requirement::Kind::NotSupported:
      break;
  }
  return "unsupported";
}

std::vector<std::string> docker_namespaces(const oci::Reference& reference) {
  std::vector<std::string> result;
  std::string name = reference.name();
  while (true) {
    result.push_back(name);
    const auto slash = name.rfind('/');
    if (slash == std::string::npos) break;
    name.resize(slash);
  }
  // Wildcards stand for hosts, whatever the port is.
  name = name.substr(0, name.find(':'));
  for (auto dot = name.find('.'); dot != std::string::npos; dot = name.find('.')) {
    name.erase(0, dot + 1);
    result.push_back("*." + name);
  }
  return result;
}

PolicyScope docker_scope(const oci::Reference& reference) {
  return {.transport = "docker", .identity = reference.str(), .namespaces = docker_namespaces(reference)};
}

PolicyScope path_scope(std::string transport, const std::string& path) {
  PolicyScope scope{.transport = std::move(transport), .identity = real_path(path), .namespaces = {}};
  // "/" is not one of them: that is what the transport's default is for.
  std::string parent = scope.identity;
  for (auto slash = parent.rfind('/'); slash != 0 && slash != std::string::npos; slash = parent.rfind('/')) {
    parent.resize(slash);
    scope.namespaces.push_back(parent);
  }
  return scope;
}

Policy Policy::parse(std::string_view json, const std::string& name) {
  try {
    const auto document = oci::parse_json(json, name, kMaxPolicyFile);
    const oci::JsonObject root(document, name);
    refuse_unknown_keys(root, {"default", "transports"});
    Policy policy;
    policy.name_ = name;
    policy.default_ = parse_requirements(root, "default");
    for (const auto& transport : root.keys_of("transports")) {
      const auto all = root.require_object("transports");
      auto& scopes = policy.transports_[transport];
      for (const auto& scope : all.keys_of(transport))
        scopes[scope] = parse_requirements(all.require_object(transport), scope);
    }
    return policy;
  } catch (const Error& error) {
    // What the user wrote is wrong, not an image.
    if (error.code() != ErrorCode::Corrupt) throw;
    throw Error(ErrorCode::InvalidArgument, error.message(), "the file is described in containers-policy.json(5)");
  }
}

Policy Policy::accept_anything() {
  Policy policy;
  policy.name_ = "no policy";
  policy.default_ = {Requirement{.kind = Requirement::Kind::AcceptAnything, .keys = {}, .identity = {}, .reason = {}}};
  return policy;
}

std::string user_policy_file() { return os::join(os::home_directory(), ".config/containers/policy.json"); }

std::string policy_file() {
  auto own = user_policy_file();
  return os::exists(own) ? own : kSystemFile;
}

Policy Policy::load(const std::optional<std::string>& file) {
  // Only where there is no file at all everything is accepted: one that cannot be read, or a link to nowhere, is an
  // error.
  const auto name = file ? *file : policy_file();
  if (!file && !os::exists(name)) return accept_anything();
  const auto text = os::try_read_file(name, kMaxPolicyFile);
  if (!text) throw Error(ErrorCode::InvalidArgument, fmt::format("policy {}: no such file", name));
  return parse(*text, name);
}

const Requirements& Policy::requirements(const PolicyScope& scope) const {
  const auto transport = transports_.find(scope.transport);
  if (transport == transports_.end()) return default_;
  const auto& scopes = transport->second;
  const auto find = [&](const std::string& key) {
    const auto found = scopes.find(key);
    return found == scopes.end() ? nullptr : &found->second;
  };
  if (!scope.identity.empty()) {
    if (const auto* found = find(scope.identity)) return *found;
  }
  for (const auto& key : scope.namespaces) {
    if (const auto* found = find(key)) return *found;
  }
  const auto* found = find("");
  return found == nullptr ? default_ : *found;
}

}  // namespace proa::config
