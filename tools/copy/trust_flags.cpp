#include "tools/copy/trust_flags.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/os/file.h"
#include "libcommon/trust/sign.h"
#include "tools/copy/terminal.h"

namespace proa::copy {

namespace {

constexpr std::uint64_t kMaxPassphraseFile = 64 << 10;

}  // namespace

std::shared_ptr<const config::Policy> load_policy(const PolicyFlags& flags) {
  if (flags.insecure) return policy_for_own_images();
  return flags.file ? std::make_shared<const config::Policy>(config::Policy::load(*flags.file)) : nullptr;
}

std::shared_ptr<const config::Policy> policy_for_own_images() {
  return std::make_shared<const config::Policy>(config::Policy::accept_anything());
}

std::string read_passphrase_file(const std::string& path) {
  auto text = os::read_file(path, kMaxPassphraseFile);
  text.resize(std::min(text.size(), text.find('\n')));
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

std::string get_passphrase(const std::optional<std::string>& file, const std::string& key, Passphrase kind) {
  if (file) return read_passphrase_file(*file);
  const std::string hint = "name a file that holds it";
  auto text = ask_line(fmt::format("Passphrase for key {}: ", key), true, "passphrase", hint);
  if (kind == Passphrase::New && ask_line("Repeat passphrase: ", true, "passphrase", hint) != text)
    throw Error(ErrorCode::InvalidArgument, "the passphrases differ");
  return text;
}

void apply_signing(const SigningFlags& flags, image::CopyOptions& options) {
  options.remove_signatures = flags.remove;
  const bool sign = flags.gpg_key || flags.sigstore_key;
  if (!sign && flags.passphrase_file)
    throw Error(ErrorCode::InvalidArgument, "--sign-passphrase-file needs a key to sign with",
                "add --sign-by or --sign-by-sigstore-private-key");
  // One file cannot hold the passphrases of two keys.
  if (flags.gpg_key && flags.sigstore_key && flags.passphrase_file)
    throw Error(ErrorCode::InvalidArgument,
                "Only one of --sign-by and sign-by-sigstore-private-key can be used with sign-passphrase-file");
  if (flags.gpg_key) {
    std::optional<std::string> passphrase;
    if (flags.passphrase_file) passphrase = read_passphrase_file(*flags.passphrase_file);
    options.signers.push_back(trust::make_gpg_signer(*flags.gpg_key, passphrase));
  }
  if (flags.sigstore_key) {
    const auto passphrase = get_passphrase(flags.passphrase_file, *flags.sigstore_key, Passphrase::Known);
    options.signers.push_back(trust::make_sigstore_signer(*flags.sigstore_key, passphrase));
  }
  if (flags.identity) options.sign_identity = oci::Reference::parse_normalized(*flags.identity);
}

}  // namespace proa::copy
