// The protocol of docker-credential-* programs: a verb as argument, JSON or an address on stdin, JSON on stdout.
#pragma once

#include <optional>
#include <string>

#include "libcommon/config/auth.h"

namespace proa::config {

// `name`: "pass" for docker-credential-pass. nullopt: it has none for this address.
std::optional<Credentials> helper_get(const std::string& name, const std::string& address);
void helper_store(const std::string& name, const std::string& address, const Credentials& credentials);
bool helper_erase(const std::string& name, const std::string& address);

}  // namespace proa::config
