// The patterns of ${v#p} and its kin: "*" and "?" never match a newline, "\" takes * ? \ } / literally.
#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "libcommon/base/error.h"
#include "tools/build/containerfile/expand.h"
#include "tools/build/containerfile/unicode.h"

namespace proa::build {
namespace {

// Steps of matching in one substitution; a pattern of a thousand characters against a value of 60 kB is still fine.
constexpr std::size_t kMaxSteps = 1u << 26;

struct Token {
  enum class Kind { Literal, Any, Star } kind;
  std::uint32_t code = 0;
};

std::vector<std::uint32_t> characters(std::string_view text) {
  std::vector<std::uint32_t> result;
  for (std::size_t at = 0; at < text.size();) {
    Character c = decode(text, at);
    // A stray byte keeps its value apart from the character of that number, so that it can be written back.
    result.push_back(c.size == 1 && c.code >= 0x80 ? 0x110000 + c.code : c.code);
    at += c.size;
  }
  return result;
}

void append(std::string& text, std::uint32_t c) {
  if (c >= 0x110000) {
    text += static_cast<char>(c - 0x110000);
  } else if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    text += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
             static_cast<char>(0x80 | (c & 0x3F))};
  } else {
    text += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
             static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
  }
}

std::string to_text(const std::vector<std::uint32_t>& value, std::size_t from, std::size_t to) {
  std::string text;
  for (std::size_t i = from; i < to; ++i) append(text, value[i]);
  return text;
}

std::vector<Token> parse_pattern(std::string_view text) {
  std::vector<Token> tokens;
  std::vector<std::uint32_t> pattern = characters(text);
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    std::uint32_t c = pattern[i];
    if (c == '*') {
      if (tokens.empty() || tokens.back().kind != Token::Kind::Star) tokens.push_back({Token::Kind::Star});
    } else if (c == '?') {
      tokens.push_back({Token::Kind::Any});
    } else if (c == '\\') {
      std::uint32_t next = i + 1 < pattern.size() ? pattern[++i] : 0;
      if (next != '*' && next != '?' && next != '\\' && next != '}' && next != '/') {
        throw Error(ErrorCode::InvalidArgument,
                    fmt::format("invalid pattern ({}) in substitution: invalid escape", escape_control(text)));
      }
      tokens.push_back({Token::Kind::Literal, next});
    } else {
      tokens.push_back({Token::Kind::Literal, c});
    }
  }
  return tokens;
}

class Matcher {
 public:
  explicit Matcher(std::vector<Token> pattern) : pattern_(std::move(pattern)) {}

  // The end of the shortest or longest match that starts at `start`. All places in the pattern are followed side by
  // side.
  std::optional<std::size_t> match(const std::vector<std::uint32_t>& value, std::size_t start, bool longest) {
    std::vector<char> states(pattern_.size() + 1, 0), next;
    states[0] = 1;
    skip_stars(states);
    std::optional<std::size_t> end;
    for (std::size_t at = start;; ++at) {
      if (states.back()) {
        end = at;
        if (!longest) return end;
      }
      if (at == value.size()) return end;
      spend(pattern_.size() + 1);
      next.assign(states.size(), 0);
      bool alive = false;
      for (std::size_t i = 0; i < pattern_.size(); ++i) {
        if (!states[i]) continue;
        const Token& token = pattern_[i];
        bool takes = token.kind == Token::Kind::Literal ? token.code == value[at] : value[at] != '\n';
        if (!takes) continue;
        next[token.kind == Token::Kind::Star ? i : i + 1] = 1;
        alive = true;
      }
      if (!alive) return end;
      states.swap(next);
      skip_stars(states);
    }
  }

 private:
  void skip_stars(std::vector<char>& states) const {
    for (std::size_t i = 0; i < pattern_.size(); ++i) {
      if (states[i] && pattern_[i].kind == Token::Kind::Star) states[i + 1] = 1;
    }
  }
  void spend(std::size_t steps) {
    steps_ += steps;
    if (steps_ > kMaxSteps)
      throw Error(ErrorCode::LimitExceeded, "the pattern of a substitution takes too long to match");
  }

  std::vector<Token> pattern_;
  std::size_t steps_ = 0;
};

}  // namespace

std::string trim_prefix_pattern(std::string_view pattern, std::string value, bool longest) {
  std::vector<std::uint32_t> text = characters(value);
  auto end = Matcher(parse_pattern(pattern)).match(text, 0, longest);
  return end ? to_text(text, *end, text.size()) : value;
}

std::string trim_suffix_pattern(std::string_view pattern, std::string value, bool longest) {
  // A suffix is the prefix of the reversed text.
  std::vector<Token> tokens = parse_pattern(pattern);
  std::reverse(tokens.begin(), tokens.end());
  std::vector<std::uint32_t> text = characters(value);
  std::reverse(text.begin(), text.end());
  auto end = Matcher(std::move(tokens)).match(text, 0, longest);
  if (!end) return value;
  std::reverse(text.begin(), text.end());
  return to_text(text, 0, text.size() - *end);
}

std::string replace_pattern(std::string_view pattern, std::string_view replacement, const std::string& value,
                            bool all) {
  std::vector<std::uint32_t> text = characters(value);
  Matcher matcher(parse_pattern(pattern));
  std::string result;
  bool after_match = false;  // an empty match right behind another one does not count
  for (std::size_t at = 0; at <= text.size();) {
    auto end = matcher.match(text, at, true);
    if (end && !(*end == at && after_match)) {
      result += replacement;
      if (result.size() > kMaxExpansion) {
        throw Error(ErrorCode::LimitExceeded, fmt::format("expands to more than {} bytes", kMaxExpansion));
      }
      if (!all) return result + to_text(text, *end, text.size());
      if (*end > at) {
        at = *end;
        after_match = true;
        continue;
      }
    }
    after_match = false;
    if (at < text.size()) append(result, text[at]);
    ++at;
  }
  return result;
}

}  // namespace proa::build
