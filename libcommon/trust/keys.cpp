#include "libcommon/trust/keys.h"

#include <fmt/core.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <array>

#include "libcommon/base/error.h"
#include "libcommon/trust/key_box.h"

namespace proa::trust {

struct PublicKey::Key {
  EVP_PKEY* handle;

  explicit Key(EVP_PKEY* key) : handle(key) {}
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  ~Key() { EVP_PKEY_free(handle); }
};

namespace {

constexpr std::string_view kPublicType = "PUBLIC KEY";
constexpr std::string_view kPrivateType = "ENCRYPTED COSIGN PRIVATE KEY";
constexpr std::string_view kNewPrivateType = "ENCRYPTED SIGSTORE PRIVATE KEY";
constexpr int kMinRsaBits = 2048;

using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

bool is_nist_curve(EVP_PKEY* key) {
  std::array<char, 64> name{};
  if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name.data(), name.size(), nullptr) != 1)
    return false;
  const std::string_view curve(name.data());
  return curve == "prime256v1" || curve == "secp384r1" || curve == "secp521r1";
}

// What the key is good for; null digest: the key settles it.
const EVP_MD* digest_for(EVP_PKEY* key, const std::string& name) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_EC:
      if (is_nist_curve(key)) return EVP_sha256();
      break;
    case EVP_PKEY_RSA:
      if (EVP_PKEY_get_bits(key) >= kMinRsaBits) return EVP_sha256();
      break;
    case EVP_PKEY_ED25519:
      return nullptr;
    default:
      break;
  }
  throw Error(ErrorCode::InvalidArgument, fmt::format("{}: neither ECDSA on a NIST curve, nor RSA from {} bits on, nor "
                                                      "Ed25519",
                                                      name, kMinRsaBits));
}

}  // namespace

PublicKey PublicKey::parse(std::string_view pem, const std::string& name) {
  const auto body = pem_body(pem, {kPublicType}, name);
  const auto* at = bytes_of(body);
  auto* handle = d2i_PUBKEY(nullptr, &at, static_cast<long>(body.size()));
  ERR_clear_error();
  if (handle == nullptr || at != bytes_of(body) + body.size()) {
    EVP_PKEY_free(handle);
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}: the public key is malformed", name));
  }
  auto key = std::make_shared<const Key>(handle);
  digest_for(handle, name);
  return PublicKey(std::move(key));
}

bool PublicKey::verifies(std::string_view text, std::string_view signature) const {
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const auto* digest = digest_for(key_->handle, "key");
  // 1 means right; 0 and negative answers are all wrong.
  const bool right =
      context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key_->handle) == 1 &&
      EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text), text.size()) == 1;
  ERR_clear_error();
  return right;
}

PrivateKey PrivateKey::generate() {
  auto* handle = EVP_EC_gen("P-256");
  if (handle == nullptr) throw Error(ErrorCode::Unsupported, "OpenSSL cannot make a key for ECDSA P-256");
  return PrivateKey(std::make_shared<const PublicKey::Key>(handle));
}

PrivateKey PrivateKey::decrypt(std::string_view pem, std::string_view passphrase, const std::string& name) {
  const auto der = unwrap_key(pem_body(pem, {kPrivateType, kNewPrivateType}, name), passphrase, name);
  const auto* at = bytes_of(der);
  auto* handle = d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size()));
  ERR_clear_error();
  if (handle == nullptr) throw Error(ErrorCode::InvalidArgument, fmt::format("{}: the private key is malformed", name));
  auto key = std::make_shared<const PublicKey::Key>(handle);
  digest_for(handle, name);
  return PrivateKey(std::move(key));
}

std::string PrivateKey::encrypt(std::string_view passphrase) const {
  const std::unique_ptr<PKCS8_PRIV_KEY_INFO, decltype(&PKCS8_PRIV_KEY_INFO_free)> info(EVP_PKEY2PKCS8(key_->handle),
                                                                                       PKCS8_PRIV_KEY_INFO_free);
  unsigned char* der = nullptr;
  const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), &der) : -1;
  PROA_CHECK(size > 0);
  const auto wrapped = wrap_key({reinterpret_cast<char*>(der), static_cast<std::size_t>(size)}, passphrase);
  OPENSSL_clear_free(der, static_cast<std::size_t>(size));
  return make_pem(kPrivateType, wrapped);
}

std::string PrivateKey::public_pem() const {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key_->handle, &der);
  PROA_CHECK(size > 0);
  const std::string body(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return make_pem(kPublicType, body);
}

std::string PrivateKey::sign(std::string_view text) const {
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::size_t size = 0;
  bool made = context &&
              EVP_DigestSignInit(context.get(), nullptr, digest_for(key_->handle, "key"), nullptr, key_->handle) == 1 &&
              EVP_DigestSign(context.get(), nullptr, &size, bytes_of(text), text.size()) == 1;
  std::string signature(size, '\0');
  made = made && EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                                bytes_of(text), text.size()) == 1;
  PROA_CHECK(made);
  signature.resize(size);
  return signature;
}

}  // namespace proa::trust
