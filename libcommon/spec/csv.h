#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace proa::spec {

// One line of comma-separated fields, RFC 4180 quoting: "a,""b"",c" in quotes is one field. `what` names the option in
// the error (InvalidArgument: quotes in the wrong place, an empty text).
std::vector<std::string> split_csv(std::string_view text, std::string_view what);

}  // namespace proa::spec
