#include "libcommon/base/glob.h"

#include <cstdint>

namespace proa {
namespace {

// One UTF-8 code point off the front; a byte that starts none counts as itself.
char32_t take_rune(std::string_view& text) {
  auto first = static_cast<unsigned char>(text.front());
  std::size_t length = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1;
  if (length > text.size()) length = 1;
  char32_t rune = length == 1 ? first : first & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) != 0x80) {
      rune = first;
      length = 1;
      break;
    }
    rune = (rune << 6) | (byte & 0x3fu);
  }
  text.remove_prefix(length);
  return rune;
}

// A possibly escaped character of a class; nullopt when malformed.
std::optional<char32_t> take_class_char(std::string_view& pattern) {
  if (pattern.empty() || pattern.front() == '-' || pattern.front() == ']') return std::nullopt;
  if (pattern.front() == '\\') {
    pattern.remove_prefix(1);
    if (pattern.empty()) return std::nullopt;
  }
  char32_t rune = take_rune(pattern);
  if (pattern.empty()) return std::nullopt;
  return rune;
}

// The class after '['; consumes it, and says whether it holds `rune`.
std::optional<bool> match_class(std::string_view& pattern, char32_t rune) {
  bool negated = !pattern.empty() && pattern.front() == '^';
  if (negated) pattern.remove_prefix(1);
  bool found = false;
  for (int ranges = 0;; ++ranges) {
    if (!pattern.empty() && pattern.front() == ']' && ranges > 0) {
      pattern.remove_prefix(1);
      return found != negated;
    }
    auto low = take_class_char(pattern);
    if (!low) return std::nullopt;
    auto high = low;
    if (pattern.front() == '-') {
      pattern.remove_prefix(1);
      high = take_class_char(pattern);
      if (!high) return std::nullopt;
    }
    found = found || (*low <= rune && rune <= *high);
  }
}

// Matches a piece without stars against the front of `name`. `name` shrinks on success. The piece is checked to its end
// either way.
std::optional<bool> match_piece(std::string_view piece, std::string_view& name) {
  std::string_view rest = name;
  bool matches = true;
  while (!piece.empty()) {
    if (rest.empty()) matches = false;
    char c = piece.front();
    if (c == '[') {
      piece.remove_prefix(1);
      char32_t rune = matches ? take_rune(rest) : 0;
      auto in_class = match_class(piece, rune);
      if (!in_class) return std::nullopt;
      matches = matches && *in_class;
      continue;
    }
    if (c == '?') {
      piece.remove_prefix(1);
      if (matches && take_rune(rest) == '/') matches = false;
      continue;
    }
    if (c == '\\') {
      piece.remove_prefix(1);
      if (piece.empty()) return std::nullopt;
    }
    if (matches) {
      matches = piece.front() == rest.front();
      rest.remove_prefix(1);
    }
    piece.remove_prefix(1);
  }
  if (matches) name = rest;
  return matches;
}

// Length of the pattern's front up to the next star outside of a class.
std::size_t piece_length(std::string_view pattern) {
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == '[') {
      in_class = true;
    } else if (pattern[i] == ']') {
      in_class = false;
    } else if (pattern[i] == '*' && !in_class) {
      return i;
    }
  }
  return pattern.size();
}

// After a mismatch the rest of the pattern still has to be well-formed.
std::optional<bool> mismatch(std::string_view pattern) {
  while (!pattern.empty()) {
    while (!pattern.empty() && pattern.front() == '*') pattern.remove_prefix(1);
    std::size_t length = piece_length(pattern);
    std::string_view nothing;
    if (!match_piece(pattern.substr(0, length), nothing)) return std::nullopt;
    pattern.remove_prefix(length);
  }
  return false;
}

}  // namespace

std::optional<bool> glob_match(std::string_view pattern, std::string_view name) {
  while (!pattern.empty()) {
    bool star = false;
    while (!pattern.empty() && pattern.front() == '*') {
      star = true;
      pattern.remove_prefix(1);
    }
    if (star && pattern.empty()) return name.find('/') == std::string_view::npos;
    std::size_t length = piece_length(pattern);
    std::string_view piece = pattern.substr(0, length);
    pattern.remove_prefix(length);
    std::string_view rest = name;
    auto matches = match_piece(piece, rest);
    // A match that leaves text over is none when the pattern ends here.
    bool fits = matches.value_or(false) && (rest.empty() || !pattern.empty());
    // The star takes one more byte each time, never a '/'. The first fit is enough: later stars can take what it
    // leaves.
    for (std::size_t skip = 0; matches && !fits && star && skip < name.size() && name[skip] != '/'; ++skip) {
      rest = name.substr(skip + 1);
      matches = match_piece(piece, rest);
      fits = matches.value_or(false) && (rest.empty() || !pattern.empty());
    }
    if (!matches) return std::nullopt;
    if (!fits) return mismatch(pattern);
    name = rest;
  }
  return name.empty();
}

}  // namespace proa
