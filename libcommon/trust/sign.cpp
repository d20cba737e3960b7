#include "libcommon/trust/sign.h"

#include <chrono>

#include "libcommon/base/base64.h"
#include "libcommon/base/time.h"
#include "libcommon/os/file.h"
#include "libcommon/trust/claim.h"
#include "libcommon/trust/gpg.h"
#include "libcommon/trust/keys.h"

namespace proa::trust {
namespace {

constexpr std::uint64_t kMaxKeyFile = 64 << 10;

std::string claim_text(const oci::Digest& manifest, const oci::Reference& identity, ClaimType type) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now()).time_since_epoch().count();
  return encode_claim({.manifest = manifest, .identity = identity.str()}, type, seconds);
}

class GpgSigner final : public Signer {
 public:
  GpgSigner(std::string key, std::optional<std::string> passphrase)
      : key_(std::move(key)), passphrase_(std::move(passphrase)) {}

  Signature sign(const oci::Digest& manifest, const oci::Reference& identity) const override {
    auto message = gpg_sign(claim_text(manifest, identity, ClaimType::Atomic), key_, passphrase_);
    return {.format = Signature::Format::OpenPgp, .payload = std::move(message), .media_type = {}, .annotations = {}};
  }

 private:
  std::string key_;
  std::optional<std::string> passphrase_;
};

class SigstoreSigner final : public Signer {
 public:
  explicit SigstoreSigner(PrivateKey key) : key_(std::move(key)) {}

  Signature sign(const oci::Digest& manifest, const oci::Reference& identity) const override {
    auto payload = claim_text(manifest, identity, ClaimType::Cosign);
    auto signature = base64_encode(key_.sign(payload));
    return {.format = Signature::Format::Sigstore,
            .payload = std::move(payload),
            .media_type = std::string(kSigstorePayload),
            .annotations = {{std::string(kSigstoreSignature), std::move(signature)}}};
  }

 private:
  PrivateKey key_;
};

}  // namespace

std::unique_ptr<Signer> make_gpg_signer(std::string key, std::optional<std::string> passphrase) {
  return std::make_unique<GpgSigner>(std::move(key), std::move(passphrase));
}

std::unique_ptr<Signer> make_sigstore_signer(const std::string& key_file, const std::string& passphrase) {
  return std::make_unique<SigstoreSigner>(
      PrivateKey::decrypt(os::read_file(key_file, kMaxKeyFile), passphrase, key_file));
}

}  // namespace proa::trust
