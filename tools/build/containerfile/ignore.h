// .containerignore and .dockerignore: which paths of the context a build does not see.
// Patterns as moby/patternmatcher defines them: Go's filepath.Match, "**", and "!" for exceptions; the last pattern
// that matches decides.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace proa::build {

// The patterns of an ignore file, cleaned: comments and blank lines gone, "/a/" is "a".
std::vector<std::string> parse_ignore_file(std::string_view text);

// One pattern. Time to match is at most the product of the lengths of pattern and path.
class PathPattern {
 public:
  // Throws InvalidArgument when the pattern's syntax is wrong.
  explicit PathPattern(std::string_view pattern);
  bool matches(std::string_view path) const;

 private:
  struct Token {
    enum class Kind { Literal, Any, Star, AnyFolders, Everything, Class } kind = Kind::Literal;
    std::uint32_t code = 0;
    bool negated = false;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges;
  };
  static std::size_t parse_class(std::string_view pattern, std::size_t at, Token& token);
  static bool takes(const Token& token, std::uint32_t code);
  void enter(std::vector<char>& states, std::size_t state) const;

  std::vector<Token> tokens_;
};

class IgnoreRules {
 public:
  IgnoreRules() = default;
  explicit IgnoreRules(const std::vector<std::string>& patterns);

  // Is `path` (relative to the context, without "./") left out? A match of a folder above it counts.
  bool ignores(std::string_view path) const;
  // May something below an ignored folder be in the context again? Then the folder must be walked.
  bool has_exceptions() const { return has_exceptions_; }
  bool empty() const { return rules_.empty(); }

 private:
  struct Rule {
    PathPattern pattern;
    bool exception;
  };
  std::vector<Rule> rules_;
  bool has_exceptions_ = false;
};

// Go's filepath.Clean: "a//b/../c/" is "a/c".
std::string clean_path(std::string_view path);

}  // namespace proa::build
