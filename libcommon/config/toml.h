// toml++ as this module uses it; for its .cpp files only.
#pragma once

#include <string_view>

namespace proa::config::detail {
[[noreturn]] void refuse_malformed_toml();
}

// The parser of toml++ 3.3 asserts, and with NDEBUG takes for granted, what some malformed documents break ("[/", for
// one). These are mistakes in a file of the user, not bugs.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expression) ((expression) ? (void)0 : ::proa::config::detail::refuse_malformed_toml())
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

namespace proa::config {

// InvalidArgument, naming `name` (a file), line and reason.
toml::table parse_toml(std::string_view text, std::string_view name);

}  // namespace proa::config
