// RFC 4648 base64 with padding, as HTTP Basic and the auth files of docker and podman use it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace proa {

std::string base64_encode(std::string_view bytes);
// nullopt when malformed. Missing padding is accepted: credential helpers in the field leave it out.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace proa
