// Flags about signatures and policy, the same for all verbs that have them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/cli/command.h"
#include "libcommon/config/policy.h"
#include "libcommon/image/copy_plan.h"
#include "libcommon/transport/docker.h"

namespace proa::copy {

struct PolicyFlags {
  std::optional<std::string> file;
  bool insecure = false;
};

// --policy FILE, --insecure-policy. null: that of the user or the machine.
std::shared_ptr<const config::Policy> load_policy(const PolicyFlags& flags);
// For verbs that move what is in our own store already: it was checked when it came in.
std::shared_ptr<const config::Policy> policy_for_own_images();

struct SigningFlags {
  std::optional<std::string> gpg_key, sigstore_key, passphrase_file, identity;
  bool remove = false;
};
void apply_signing(const SigningFlags& flags, image::CopyOptions& options);

// The first line of a file.
std::string read_passphrase_file(const std::string& path);
// Of a file, else asked for on the terminal, twice for a new one.
enum class Passphrase { Known, New };
std::string get_passphrase(const std::optional<std::string>& file, const std::string& key, Passphrase kind);

// skopeo has them before the verb; here they follow it.
template <typename Options>
void policy_flags(cli::CommandBuilder<Options>& builder, PolicyFlags Options::*field) {
  builder
      .custom(
          "policy", [field](Options& o, const std::string& text) { (o.*field).file = text; },
          "File that says which images may be used, instead of the user's policy.json", "FILE")
      .custom(
          "insecure-policy",
          [field](Options& o, const std::string& text) { (o.*field).insecure = cli::parse_bool(text); },
          "Use any image, signed or not", "");
}

// podman's name for it.
template <typename Options>
void signature_policy_flag(cli::CommandBuilder<Options>& builder, PolicyFlags Options::*field) {
  builder.custom(
      "signature-policy", [field](Options& o, const std::string& text) { (o.*field).file = text; },
      "File that says which images may be used, instead of the user's policy.json", "FILE");
}

template <typename Options>
void registries_d_flag(cli::CommandBuilder<Options>& builder,
                       const std::vector<transport::RegistryOptions Options::*>& fields) {
  builder.custom(
      "registries.d",
      [fields](Options& o, const std::string& text) {
        for (const auto field : fields) (o.*field).registries_d = text;
      },
      "Folder that says where signatures are, instead of the user's registries.d", "DIR");
}

template <typename Options>
void signing_flags(cli::CommandBuilder<Options>& builder, SigningFlags Options::*field) {
  builder
      .custom(
          "remove-signatures",
          [field](Options& o, const std::string& text) { (o.*field).remove = cli::parse_bool(text); },
          "Leave the signatures of the source behind", "")
      .custom(
          "sign-by", [field](Options& o, const std::string& text) { (o.*field).gpg_key = text; },
          "Sign with this GPG key", "FINGERPRINT")
      .custom(
          "sign-by-sigstore-private-key",
          [field](Options& o, const std::string& text) { (o.*field).sigstore_key = text; },
          "Sign with the sigstore key in this file", "FILE")
      .custom(
          "sign-passphrase-file", [field](Options& o, const std::string& text) { (o.*field).passphrase_file = text; },
          "File whose first line is the passphrase of the key", "FILE");
}

template <typename Options>
void sign_identity_flag(cli::CommandBuilder<Options>& builder, SigningFlags Options::*field) {
  builder.custom(
      "sign-identity", [field](Options& o, const std::string& text) { (o.*field).identity = text; },
      "Name to sign the image as, instead of the destination's", "REFERENCE");
}

}  // namespace proa::copy
