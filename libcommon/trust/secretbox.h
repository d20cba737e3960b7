// NaCl's secretbox, XSalsa20 and Poly1305: what cosign encrypts private keys with. OpenSSL has no Salsa20.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proa::trust {

inline constexpr std::size_t kSecretboxKeySize = 32;
inline constexpr std::size_t kSecretboxNonceSize = 24;
inline constexpr std::size_t kSecretboxOverhead = 16;

// The authenticator, then the encrypted text.
std::string secretbox_seal(std::string_view text, std::string_view key, std::string_view nonce);
// nullopt: another key, or changed bytes.
std::optional<std::string> secretbox_open(std::string_view box, std::string_view key, std::string_view nonce);

}  // namespace proa::trust
