#include "libcommon/trust/secretbox.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

#include "libcommon/base/error.h"

namespace proa::trust {
namespace {

constexpr std::size_t kBlock = 64;
constexpr std::size_t kPolyKey = 32;

using Words = std::array<std::uint32_t, 16>;

std::uint32_t load32(const char* at) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = (value << 8) | static_cast<unsigned char>(at[i]);
  return value;
}

void store32(char* to, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<char>((value >> (8 * i)) & 0xff);
}

void quarter_round(std::uint32_t& a, std::uint32_t& b, std::uint32_t& c, std::uint32_t& d) {
  b ^= std::rotl(a + d, 7);
  c ^= std::rotl(b + a, 9);
  d ^= std::rotl(c + b, 13);
  a ^= std::rotl(d + c, 18);
}

// Salsa20/20 (eSTREAM specification): ten double rounds.
void twenty_rounds(Words& x) {
  for (int i = 0; i < 10; ++i) {
    quarter_round(x[0], x[4], x[8], x[12]);
    quarter_round(x[5], x[9], x[13], x[1]);
    quarter_round(x[10], x[14], x[2], x[6]);
    quarter_round(x[15], x[3], x[7], x[11]);
    quarter_round(x[0], x[1], x[2], x[3]);
    quarter_round(x[5], x[6], x[7], x[4]);
    quarter_round(x[10], x[11], x[8], x[9]);
    quarter_round(x[15], x[12], x[13], x[14]);
  }
}

// "expand 32-byte k" on the diagonal, the key around the 16 bytes of input.
Words arrange(std::string_view key, const char* input) {
  static constexpr char kSigma[] = "expand 32-byte k";
  Words x{};
  for (std::size_t i = 0; i < 4; ++i) {
    x[5 * i] = load32(kSigma + 4 * i);
    x[1 + i] = load32(key.data() + 4 * i);
    x[6 + i] = load32(input + 4 * i);
    x[11 + i] = load32(key.data() + 16 + 4 * i);
  }
  return x;
}

// HSalsa20: the key of this nonce's stream.
std::string derive_key(std::string_view key, std::string_view nonce) {
  Words x = arrange(key, nonce.data());
  twenty_rounds(x);
  std::string derived(kSecretboxKeySize, '\0');
  static constexpr std::size_t kPicked[] = {0, 5, 10, 15, 6, 7, 8, 9};
  for (std::size_t i = 0; i < 8; ++i) store32(derived.data() + 4 * i, x[kPicked[i]]);
  return derived;
}

// The first `size` bytes of the XSalsa20 stream.
std::string key_stream(std::string_view key, std::string_view nonce, std::size_t size) {
  const std::string derived = derive_key(key, nonce);
  std::array<char, 16> input{};
  std::memcpy(input.data(), nonce.data() + 16, 8);
  std::string stream(size, '\0');
  for (std::size_t at = 0; at < size; at += kBlock) {
    const std::uint64_t counter = at / kBlock;
    store32(input.data() + 8, static_cast<std::uint32_t>(counter));
    store32(input.data() + 12, static_cast<std::uint32_t>(counter >> 32));
    const Words before = arrange(derived, input.data());
    Words x = before;
    twenty_rounds(x);
    std::array<char, kBlock> block{};
    for (std::size_t i = 0; i < 16; ++i) store32(block.data() + 4 * i, x[i] + before[i]);
    std::memcpy(stream.data() + at, block.data(), std::min(kBlock, size - at));
  }
  return stream;
}

std::string poly1305(std::string_view key, std::string_view text) {
  const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> mac(EVP_MAC_fetch(nullptr, "POLY1305", nullptr),
                                                              EVP_MAC_free);
  if (!mac) throw Error(ErrorCode::Unsupported, "this OpenSSL has no Poly1305");
  const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(EVP_MAC_CTX_new(mac.get()), EVP_MAC_CTX_free);
  std::string tag(kSecretboxOverhead, '\0');
  std::size_t size = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  const bool made =
      context &&
      EVP_MAC_init(context.get(), reinterpret_cast<const unsigned char*>(key.data()), key.size(), nullptr) == 1 &&
      EVP_MAC_update(context.get(), bytes, text.size()) == 1 &&
      EVP_MAC_final(context.get(), reinterpret_cast<unsigned char*>(tag.data()), &size, tag.size()) == 1;
  PROA_CHECK(made && size == tag.size());
  return tag;
}

// The first 32 bytes of the stream are the authenticator's key, the text is encrypted by what follows.
std::string apply_stream(std::string_view text, std::string_view stream) {
  std::string result(text);
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = static_cast<char>(result[i] ^ stream[kPolyKey + i]);
  return result;
}

}  // namespace

std::string secretbox_seal(std::string_view text, std::string_view key, std::string_view nonce) {
  PROA_CHECK(key.size() == kSecretboxKeySize && nonce.size() == kSecretboxNonceSize);
  const auto stream = key_stream(key, nonce, kPolyKey + text.size());
  const auto encrypted = apply_stream(text, stream);
  return poly1305(std::string_view(stream).substr(0, kPolyKey), encrypted) + encrypted;
}

std::optional<std::string> secretbox_open(std::string_view box, std::string_view key, std::string_view nonce) {
  PROA_CHECK(key.size() == kSecretboxKeySize && nonce.size() == kSecretboxNonceSize);
  if (box.size() < kSecretboxOverhead) return std::nullopt;
  const auto encrypted = box.substr(kSecretboxOverhead);
  const auto stream = key_stream(key, nonce, kPolyKey + encrypted.size());
  const auto tag = poly1305(std::string_view(stream).substr(0, kPolyKey), encrypted);
  if (CRYPTO_memcmp(tag.data(), box.data(), tag.size()) != 0) return std::nullopt;
  return apply_stream(encrypted, stream);
}

}  // namespace proa::trust
