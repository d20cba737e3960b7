// standalone-sign, standalone-verify and generate-sigstore-key: signatures as files, without a registry.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/image.h"
#include "libcommon/os/file.h"
#include "libcommon/trust/claim.h"
#include "libcommon/trust/gpg.h"
#include "libcommon/trust/keys.h"
#include "libcommon/trust/sign.h"
#include "tools/copy/commands.h"
#include "tools/copy/skopeo.h"
#include "tools/copy/trust_flags.h"

namespace proa::copy {

namespace {

constexpr std::uint64_t kMaxKeyFile = 4 << 20;

struct SignOptions {
  std::vector<std::string> arguments;  // MANIFEST REFERENCE FINGERPRINT
  std::string output;
  std::optional<std::string> passphrase_file;
};

cli::ExitCode standalone_sign(const SignOptions& options) {
  if (options.output.empty()) throw Error(ErrorCode::InvalidArgument, "--output is required");
  const auto manifest = os::read_file(options.arguments[0], oci::kMaxManifestSize);
  const auto identity = oci::Reference::parse_normalized(options.arguments[1]);
  std::optional<std::string> passphrase;
  if (options.passphrase_file) passphrase = read_passphrase_file(*options.passphrase_file);
  const auto signature =
      trust::make_gpg_signer(options.arguments[2], passphrase)->sign(io::digest_of(manifest), identity);
  const auto file = os::open(options.output, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
  os::write_all(file.get(), signature.stored(), options.output);
  return 0;
}

struct VerifyOptions {
  std::vector<std::string> arguments;  // MANIFEST REFERENCE FINGERPRINTS SIGNATURE
  std::optional<std::string> public_key_file;
};

std::string verify_signer(const VerifyOptions& options, const trust::VerifiedMessage& message) {
  const auto& wanted = options.arguments[2];
  if (wanted == "any") {
    if (!options.public_key_file)
      throw Error(ErrorCode::InvalidArgument, "the fingerprint \"any\" needs --public-key-file");
    return message.fingerprint;
  }
  const auto fingerprints = split(to_upper(wanted), ',');
  if (std::ranges::find(fingerprints, message.fingerprint) == fingerprints.end()) {
    throw Error(ErrorCode::PermissionDenied,
                fmt::format("signed by key {}, not by {}", message.fingerprint, escape_control(wanted)));
  }
  return message.fingerprint;
}

cli::ExitCode standalone_verify(const VerifyOptions& options) {
  const While verifying{"verifying signature"};
  const auto manifest = os::read_file(options.arguments[0], oci::kMaxManifestSize);
  const auto expected = oci::Reference::parse_normalized(options.arguments[1]);
  const auto signature = trust::Signature::parse(os::read_file(options.arguments[3], trust::kMaxSignatureSize));
  if (signature.format != trust::Signature::Format::OpenPgp)
    throw Error(ErrorCode::Unsupported, "only OpenPGP signatures can be verified as files");
  std::optional<trust::GpgKeyring> keys;
  if (options.public_key_file) {
    keys.emplace();
    keys->add(os::read_file(*options.public_key_file, kMaxKeyFile), *options.public_key_file);
  }
  const auto message = keys ? keys->verify(signature.payload) : trust::gpg_verify_with_user_keys(signature.payload);
  const auto fingerprint = verify_signer(options, message);
  const auto claim = trust::parse_claim(message.text, trust::ClaimType::Atomic);
  if (oci::Reference::parse_normalized(claim.identity) != expected) {
    throw Error(ErrorCode::PermissionDenied,
                fmt::format("the signature is for {}, not for {}", escape_control(claim.identity), expected.str()));
  }
  if (io::digest_of(io::as_bytes(manifest), claim.manifest.algorithm()) != claim.manifest)
    throw Error(ErrorCode::PermissionDenied, fmt::format("the signature is for manifest {}", claim.manifest.str()));
  fmt::print("Signature verified using fingerprint {}, digest {}\n", fingerprint, claim.manifest.str());
  return 0;
}

struct KeyOptions {
  std::vector<std::string> none;
  std::string prefix;
  std::optional<std::string> passphrase_file;
};

cli::ExitCode generate_key(const KeyOptions& options) {
  if (options.prefix.empty()) throw Error(ErrorCode::InvalidArgument, "--output-prefix is required");
  const auto secret_file = options.prefix + ".private";
  const auto public_file = options.prefix + ".pub";
  for (const auto& file : {secret_file, public_file}) {
    if (os::exists(file))
      throw Error(ErrorCode::AlreadyExists, fmt::format("Refusing to overwrite existing {}", escape_control(file)));
  }
  const auto passphrase = get_passphrase(options.passphrase_file, secret_file, Passphrase::New);
  const auto key = trust::PrivateKey::generate();
  const auto write = [](const std::string& path, const std::string& text, mode_t mode) {
    const auto file = os::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    os::write_all(file.get(), text, path);
    if (::fsync(file.get()) != 0) throw system_error("fsync " + path);
  };
  write(secret_file, key.encrypt(passphrase), 0600);
  write(public_file, key.public_pem(), 0644);
  fmt::print("Key written to \"{}\" and \"{}\"\n", secret_file, public_file);
  return 0;
}

}  // namespace

cli::Command standalone_sign_command() {
  return cli::command<SignOptions>("standalone-sign", "Sign a manifest file with GPG")
      .value("output,o", &SignOptions::output, "Write the signature to this file", "FILE", cli::Complete::File)
      .value("passphrase-file", &SignOptions::passphrase_file, "File whose first line is the passphrase of the key",
             "FILE", cli::Complete::File)
      .positionals("MANIFEST REFERENCE FINGERPRINT", &SignOptions::arguments, 3, 3, cli::Complete::File)
      .runs([](cli::Context&, const SignOptions& options) {
        return with_skopeo_exit([&] { return standalone_sign(options); });
      });
}

cli::Command standalone_verify_command() {
  return cli::command<VerifyOptions>("standalone-verify", "Check a GPG signature of a manifest file")
      .value("public-key-file", &VerifyOptions::public_key_file, "Trust the keys in this file instead of the user's",
             "FILE", cli::Complete::File)
      .positionals("MANIFEST REFERENCE FINGERPRINTS SIGNATURE", &VerifyOptions::arguments, 4, 4, cli::Complete::File)
      .runs([](cli::Context&, const VerifyOptions& options) {
        return with_skopeo_exit([&] { return standalone_verify(options); });
      });
}

cli::Command generate_sigstore_key_command() {
  return cli::command<KeyOptions>("generate-sigstore-key", "Make a pair of keys for sigstore signatures")
      .value("output-prefix", &KeyOptions::prefix, "Write PREFIX.private and PREFIX.pub", "PREFIX", cli::Complete::File)
      .value("passphrase-file", &KeyOptions::passphrase_file, "File whose first line is the passphrase of the new key",
             "FILE", cli::Complete::File)
      .positionals("", &KeyOptions::none, 0, 0)
      .runs([](cli::Context&, const KeyOptions& options) {
        return with_skopeo_exit([&] { return generate_key(options); });
      });
}

}  // namespace proa::copy
