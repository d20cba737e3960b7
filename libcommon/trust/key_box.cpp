#include "libcommon/trust/key_box.h"

#include <fmt/core.h>
#include <openssl/evp.h>
#include <sys/random.h>

#include "libcommon/base/base64.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/json.h"
#include "libcommon/trust/secretbox.h"

namespace proa::trust {
namespace {

constexpr std::uint64_t kMaxKeyBox = 64 << 10;
constexpr std::int64_t kWork = 32768;  // N; the one that every version of cosign and skopeo reads
constexpr std::int64_t kBlockSize = 8, kParallel = 1;
constexpr std::size_t kSaltSize = 32;

[[noreturn]] void invalid(const std::string& name, std::string_view problem) {
  throw Error(ErrorCode::InvalidArgument, fmt::format("{}: {}", name, problem));
}

std::string random_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  if (::getrandom(bytes.data(), size, 0) != static_cast<ssize_t>(size)) throw system_error("getrandom");
  return bytes;
}

std::string derive(std::string_view passphrase, std::string_view salt, std::int64_t work) {
  std::string key(kSecretboxKeySize, '\0');
  constexpr std::uint64_t kMaxMemory = 256ULL << 20;
  const bool made =
      EVP_PBE_scrypt(passphrase.data(), passphrase.size(), reinterpret_cast<const unsigned char*>(salt.data()),
                     salt.size(), static_cast<std::uint64_t>(work), kBlockSize, kParallel, kMaxMemory,
                     reinterpret_cast<unsigned char*>(key.data()), key.size()) == 1;
  if (!made) throw Error(ErrorCode::Unsupported, "scrypt failed");
  return key;
}

std::string bytes_of(const oci::JsonObject& object, std::string_view key) {
  auto bytes = base64_decode(object.require_string(key));
  if (!bytes) object.fail(key, "not base64");
  return std::move(*bytes);
}

}  // namespace

std::string wrap_key(std::string_view key, std::string_view passphrase) {
  const auto salt = random_bytes(kSaltSize);
  const auto nonce = random_bytes(kSecretboxNonceSize);
  nlohmann::ordered_json json;
  json["kdf"]["name"] = "scrypt";
  json["kdf"]["params"] = {{"N", kWork}, {"r", kBlockSize}, {"p", kParallel}};
  json["kdf"]["salt"] = base64_encode(salt);
  json["cipher"]["name"] = "nacl/secretbox";
  json["cipher"]["nonce"] = base64_encode(nonce);
  json["ciphertext"] = base64_encode(secretbox_seal(key, derive(passphrase, salt, kWork), nonce));
  return json.dump();
}

std::string unwrap_key(std::string_view json, std::string_view passphrase, const std::string& name) {
  const auto document = oci::parse_json(json, name, kMaxKeyBox);
  const oci::JsonObject object(document, name);
  const auto kdf = object.require_object("kdf");
  const auto cipher = object.require_object("cipher");
  const auto parameters = kdf.require_object("params");
  if (kdf.require_string("name") != "scrypt" || cipher.require_string("name") != "nacl/secretbox")
    invalid(name, "encrypted in a way that is not known");
  const auto work = parameters.require_integer("N");
  const bool usual = (work == 32768 || work == 65536 || work == 131072) &&
                     parameters.require_integer("r") == kBlockSize && parameters.require_integer("p") == kParallel;
  const auto salt = bytes_of(kdf, "salt");
  const auto nonce = bytes_of(cipher, "nonce");
  if (!usual || nonce.size() != kSecretboxNonceSize) invalid(name, "encrypted with unusual parameters");
  auto key = secretbox_open(bytes_of(object, "ciphertext"), derive(passphrase, salt, work), nonce);
  if (!key) invalid(name, "the passphrase is wrong");
  return std::move(*key);
}

std::string pem_body(std::string_view pem, std::initializer_list<std::string_view> types, const std::string& name) {
  for (const auto type : types) {
    const auto begin = cut(pem, fmt::format("-----BEGIN {}-----", type));
    if (!begin) continue;
    const auto end = cut(begin->second, fmt::format("-----END {}-----", type));
    if (!end) continue;
    std::string text;
    for (const char c : end->first) {
      if (c != '\n' && c != '\r' && c != ' ') text += c;
    }
    auto body = base64_decode(text);
    if (body) return std::move(*body);
  }
  invalid(name, fmt::format("no \"{}\" in PEM form", *types.begin()));
}

std::string make_pem(std::string_view type, std::string_view body) {
  constexpr std::size_t kLine = 64;
  std::string text = fmt::format("-----BEGIN {}-----\n", type);
  const auto encoded = base64_encode(body);
  for (std::size_t at = 0; at < encoded.size(); at += kLine) text += encoded.substr(at, kLine) + "\n";
  return text + fmt::format("-----END {}-----\n", type);
}

}  // namespace proa::trust
