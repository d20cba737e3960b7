// To be included before toml++, in the .cpp files that include it: the parser of toml++ 3.3 asserts, and with NDEBUG
// takes for granted, what some malformed documents break ("[/", for one). These are mistakes in a file of the user, not
// bugs.
#pragma once

namespace proa::config {

struct MalformedToml {};  // thrown; where in the document is not known

[[noreturn]] inline void refuse_malformed_toml() { throw MalformedToml{}; }

}  // namespace proa::config

#undef NDEBUG
#define TOML_ASSERT(expression) ((expression) ? (void)0 : ::proa::config::refuse_malformed_toml())
