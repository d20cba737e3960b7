#include "tools/build/containerfile/ignore.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "tools/build/containerfile/syntax.h"
#include "tools/build/containerfile/unicode.h"

namespace proa::build {
namespace {

[[noreturn]] void bad_pattern(std::string_view pattern) {
  throw Error(ErrorCode::InvalidArgument, fmt::format("syntax error in pattern \"{}\"", escape_control(pattern)));
}

// One character of a [class]; "-" and "]" must be escaped.
Character class_character(std::string_view pattern, std::size_t& at) {
  if (at >= pattern.size() || pattern[at] == '-' || pattern[at] == ']') bad_pattern(pattern);
  if (pattern[at] == '\\' && ++at >= pattern.size()) bad_pattern(pattern);
  Character c = decode(pattern, at);
  at += c.size;
  if (at >= pattern.size()) bad_pattern(pattern);
  return c;
}

}  // namespace

std::string clean_path(std::string_view path) {
  bool rooted = path.starts_with('/');
  std::vector<std::string> parts;
  for (std::string& part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(std::move(part));
    } else if (!parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (!rooted) {
      parts.push_back("..");
    }
  }
  std::string result = (rooted ? "/" : "") + join(parts, "/");
  return result.empty() ? "." : result;
}

std::vector<std::string> parse_ignore_file(std::string_view text) {
  std::vector<std::string> patterns;
  for (std::string_view rest = detail::without_bom(text); !rest.empty();) {
    std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (line.starts_with('#')) continue;
    line = trim(line);
    if (line.empty()) continue;
    bool exception = line[0] == '!';
    if (exception) line = trim(line.substr(1));
    std::string pattern;
    if (!line.empty()) {
      pattern = clean_path(line);
      if (pattern.size() > 1 && pattern[0] == '/') pattern.erase(0, 1);
    }
    patterns.push_back((exception ? "!" : "") + pattern);
  }
  return patterns;
}

std::size_t PathPattern::parse_class(std::string_view pattern, std::size_t at, Token& token) {
  token.kind = Token::Kind::Class;
  ++at;
  if (at < pattern.size() && pattern[at] == '^') {
    token.negated = true;
    ++at;
  }
  while (at >= pattern.size() || pattern[at] != ']' || token.ranges.empty()) {
    std::uint32_t low = class_character(pattern, at).code;
    std::uint32_t high = low;
    if (pattern[at] == '-') high = class_character(pattern, ++at).code;
    if (high < low) bad_pattern(pattern);
    token.ranges.emplace_back(low, high);
  }
  return at + 1;
}

PathPattern::PathPattern(std::string_view pattern) {
  for (std::size_t at = 0; at < pattern.size();) {
    Token token;
    if (pattern.substr(at, 2) == "**") {
      at += 2;
      if (at < pattern.size() && pattern[at] == '/') ++at;
      token.kind = at == pattern.size() ? Token::Kind::Everything : Token::Kind::AnyFolders;
    } else if (pattern[at] == '*') {
      ++at;
      token.kind = Token::Kind::Star;
    } else if (pattern[at] == '?') {
      ++at;
      token.kind = Token::Kind::Any;
    } else if (pattern[at] == '[') {
      at = parse_class(pattern, at, token);
    } else {
      if (pattern[at] == '\\' && ++at == pattern.size()) bad_pattern(pattern);
      Character c = decode(pattern, at);
      at += c.size;
      token.code = c.code;
    }
    tokens_.push_back(std::move(token));
  }
}

bool PathPattern::takes(const Token& token, std::uint32_t code) {
  switch (token.kind) {
    case Token::Kind::Literal:
      return token.code == code;
    case Token::Kind::Any:
    case Token::Kind::Star:
      return code != '/';
    case Token::Kind::AnyFolders:
    case Token::Kind::Everything:
      return true;
    case Token::Kind::Class:
      break;
  }
  bool listed = false;
  for (const auto& [low, high] : token.ranges) listed = listed || (low <= code && code <= high);
  return listed != token.negated;
}

// Reaches a place in the pattern, and those behind it that need no character.
void PathPattern::enter(std::vector<char>& states, std::size_t state) const {
  while (!states[state]) {
    states[state] = 1;
    if (state == tokens_.size()) return;
    Token::Kind kind = tokens_[state].kind;
    if (kind != Token::Kind::Star && kind != Token::Kind::AnyFolders && kind != Token::Kind::Everything) return;
    ++state;
  }
}

bool PathPattern::matches(std::string_view path) const {
  std::vector<char> states(tokens_.size() + 1, 0), next;
  // Inside "**/" one may leave only behind a slash; the states of being inside are kept apart from those of being
  // before it.
  std::vector<char> inside(tokens_.size() + 1, 0), next_inside;
  enter(states, 0);
  for (std::size_t at = 0; at < path.size();) {
    Character c = decode(path, at);
    at += c.size;
    next.assign(states.size(), 0);
    next_inside.assign(states.size(), 0);
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (!states[i] && !inside[i]) continue;
      const Token& token = tokens_[i];
      if (!takes(token, c.code)) continue;
      if (token.kind == Token::Kind::AnyFolders) {
        next_inside[i] = 1;
        if (c.code == '/') enter(next, i + 1);
      } else if (token.kind == Token::Kind::Star || token.kind == Token::Kind::Everything) {
        enter(next, i);
      } else {
        enter(next, i + 1);
      }
    }
    states.swap(next);
    inside.swap(next_inside);
  }
  return states.back() != 0;
}

IgnoreRules::IgnoreRules(const std::vector<std::string>& patterns) {
  for (const std::string& text : patterns) {
    std::string_view trimmed = trim(text);
    if (trimmed.empty()) continue;
    std::string pattern = clean_path(trimmed);
    bool exception = pattern[0] == '!';
    if (exception && pattern.size() == 1) {
      throw Error(ErrorCode::InvalidArgument, "illegal exclusion pattern: \"!\"");
    }
    has_exceptions_ = has_exceptions_ || exception;
    rules_.push_back({PathPattern(std::string_view(pattern).substr(exception ? 1 : 0)), exception});
  }
}

bool IgnoreRules::ignores(std::string_view path) const {
  bool ignored = false;
  for (const Rule& rule : rules_) {
    if (rule.exception != ignored) continue;
    bool match = rule.pattern.matches(path);
    for (std::size_t at = path.find('/'); !match && at != std::string_view::npos; at = path.find('/', at + 1)) {
      match = rule.pattern.matches(path.substr(0, at));
    }
    if (match) ignored = !rule.exception;
  }
  return ignored;
}

}  // namespace proa::build
