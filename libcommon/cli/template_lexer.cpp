#include "libcommon/cli/template_lexer.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"

namespace proa::cli {
namespace {

using Token = TemplateToken;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Appends what stands after a backslash; returns how many characters that took.
std::size_t unescape(std::string_view after, std::string& text) {
  static constexpr std::string_view kNames = "abfnrtv\\\"'";
  static constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\\"'";
  auto index = after.empty() ? std::string_view::npos : kNames.find(after[0]);
  if (index != std::string_view::npos) {
    text += kMeanings[index];
    return 1;
  }
  auto code =
      after.starts_with('x') && after.size() >= 3 ? parse_integer<unsigned>(after.substr(1, 2), 16) : std::nullopt;
  if (!code) template_error("unknown escape in a quoted text");
  text += static_cast<char>(*code);
  return 3;
}

}  // namespace

bool is_template_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

TemplateToken TemplateLexer::next() {
  Token token;
  auto skipped = std::min(rest_.find_first_not_of(kTemplateSpace), rest_.size());
  token.space_before = skipped > 0;
  rest_.remove_prefix(skipped);
  if (rest_.empty()) return token;
  char c = rest_.front();
  if (c == '.' && rest_.size() > 1 && is_template_word_char(rest_[1]) && !is_digit(rest_[1])) {
    rest_.remove_prefix(1);
    token.kind = Token::Kind::Field;
    token.text = take_word();
  } else if (c == '$') {
    rest_.remove_prefix(1);
    token.kind = Token::Kind::Variable;
    token.text = take_word();
  } else if (c == '"' || c == '`' || c == '\'') {
    token.kind = Token::Kind::Literal;
    token.literal = take_quoted(c);
  } else if (is_digit(c) || ((c == '-' || c == '+' || c == '.') && rest_.size() > 1 && is_digit(rest_[1]))) {
    token.kind = Token::Kind::Literal;
    token.literal = take_number();
  } else if (is_template_word_char(c)) {
    token.kind = Token::Kind::Word;
    token.text = take_word();
  } else {
    take_sign(token);
  }
  return token;
}

std::string TemplateLexer::take_word() {
  std::size_t length = 0;
  while (length < rest_.size() && is_template_word_char(rest_[length])) ++length;
  std::string word(rest_.substr(0, length));
  rest_.remove_prefix(length);
  return word;
}

void TemplateLexer::take_sign(Token& token) {
  static constexpr std::pair<std::string_view, Token::Kind> kSigns[] = {
      {":=", Token::Kind::Declare}, {"=", Token::Kind::Assign}, {"(", Token::Kind::Open}, {")", Token::Kind::Close},
      {"|", Token::Kind::Pipe},     {",", Token::Kind::Comma},  {".", Token::Kind::Dot}};
  for (const auto& [sign, kind] : kSigns) {
    if (!rest_.starts_with(sign)) continue;
    token.kind = kind;
    rest_.remove_prefix(sign.size());
    return;
  }
  template_error(fmt::format("unexpected \"{}\" in an action", escape_control(rest_.substr(0, 1))));
}

TemplateValue TemplateLexer::take_number() {
  std::size_t length = 1;
  while (length < rest_.size() && (is_template_word_char(rest_[length]) || rest_[length] == '.')) ++length;
  std::string text(rest_.substr(0, length));
  rest_.remove_prefix(length);
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  if (auto whole = parse_integer<std::int64_t>(digits)) return make_value(*whole);
  if (digits.starts_with("0x")) {
    if (auto whole = parse_integer<std::int64_t>(digits.substr(2), 16)) return make_value(*whole);
  }
  double real = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), real);
  if (error != std::errc{} || end != digits.data() + digits.size())
    template_error(fmt::format("bad number \"{}\"", escape_control(text)));
  return make_value(real);
}

// "...", with Go's escapes, `...` without, or 'c', which is a number.
TemplateValue TemplateLexer::take_quoted(char quote) {
  std::string text;
  std::size_t at = 1;
  for (; at < rest_.size() && rest_[at] != quote; ++at) {
    if (rest_[at] == '\\' && quote != '`') {
      at += unescape(rest_.substr(at + 1), text);
    } else {
      text += rest_[at];
    }
  }
  if (at >= rest_.size()) template_error("a quote is not closed");
  rest_.remove_prefix(at + 1);
  if (quote != '\'') return make_value(std::move(text));
  if (text.size() != 1) template_error("a character constant of other than one character");
  return make_value(static_cast<int>(text[0]));
}

}  // namespace proa::cli
