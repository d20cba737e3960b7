#pragma once

#include <string_view>

namespace proa {

// Whole sequences of the shortest form, no surrogates, nothing above U+10FFFF (RFC 3629).
bool is_utf8(std::string_view text);

}  // namespace proa
