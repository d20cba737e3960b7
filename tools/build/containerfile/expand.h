// Variables, quotes and escapes in the words of a Containerfile, as the frontend's shell lexer treats them:
// $v ${v} ${v:-w} ${v-w} ${v:+w} ${v+w} ${v:?m} ${v?m} ${v#p} ${v##p} ${v%p} ${v%%p} ${v/p/r} ${v//p/r}.
// Iterative, since nesting is foreign input; results above 1 MiB and patterns that cost too much throw LimitExceeded.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/strings.h"

namespace proa::build {

inline constexpr std::size_t kMaxExpansion = 1u << 20;

using Variables = StringMap<std::string>;

struct ExpandOptions {
  char escape = '\\';
  bool raw_quotes = false;   // quotes stay
  bool raw_escapes = false;  // escapes stay
  bool keep_quotes = false;  // quotes are no quotes: here-document contents
  bool keep_unset = false;   // references to unset variables stay as written
};

struct Expansion {
  std::string text;                // as one word
  std::vector<std::string> words;  // split at unquoted white space, that of variables included
  std::set<std::string> matched, unmatched;
};

Expansion expand(std::string_view word, const Variables& variables, const ExpandOptions& options = {});

// "?" and "*" patterns of the # % / forms; escapes with a backslash.
std::string trim_prefix_pattern(std::string_view pattern, std::string value, bool longest);
std::string trim_suffix_pattern(std::string_view pattern, std::string value, bool longest);
std::string replace_pattern(std::string_view pattern, std::string_view replacement, const std::string& value, bool all);

}  // namespace proa::build
