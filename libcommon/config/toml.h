// Configuration files in TOML.
#pragma once

#include <string_view>

namespace proa::config {

struct MalformedToml {};  // thrown by the parser below; where in the document is not known

[[noreturn]] inline void refuse_malformed_toml() { throw MalformedToml{}; }

}  // namespace proa::config

// The parser of toml++ 3.3 asserts, and with NDEBUG takes for granted, what some malformed documents break ("[/", for
// one). These are mistakes in a file of the user, not bugs. Therefore nobody else includes toml++.
#undef NDEBUG
#define TOML_ASSERT(expression) ((expression) ? (void)0 : ::proa::config::refuse_malformed_toml())

#include <toml++/toml.h>

namespace proa::config {

// `name` is the file's, for errors (InvalidArgument).
toml::table parse_toml(std::string_view text, std::string_view name);

}  // namespace proa::config
