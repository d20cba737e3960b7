// A private key under a passphrase, as go-tuf's "encrypted" package wraps it: JSON of a scrypt salt, a nonce and a
// secretbox.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace proa::trust {

std::string wrap_key(std::string_view key, std::string_view passphrase);
// InvalidArgument: a wrong passphrase, or parameters that are none of those in use (they decide how much memory it
// takes).
std::string unwrap_key(std::string_view json, std::string_view passphrase, const std::string& name);

// The body of the first block of one of these types: "-----BEGIN TYPE-----". InvalidArgument when there is none.
std::string pem_body(std::string_view pem, std::initializer_list<std::string_view> types, const std::string& name);
std::string make_pem(std::string_view type, std::string_view body);

}  // namespace proa::trust
