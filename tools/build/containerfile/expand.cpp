#include "tools/build/containerfile/expand.h"

#include <fmt/core.h>

#include <optional>

#include "libcommon/base/error.h"
#include "tools/build/containerfile/unicode.h"
#include "tools/build/refuse.h"

namespace proa::build {
namespace {

bool is_digit(std::uint32_t c) { return c >= '0' && c <= '9'; }

// Gathers words: white space ends a word, except where it was quoted or escaped.
class Words {
 public:
  void add(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      Character c = decode(text, at);
      if (!is_white(c.code)) {
        word_ += text.substr(at, c.size);
      } else if (!word_.empty()) {
        words_.push_back(std::exchange(word_, {}));
      }
      at += c.size;
    }
  }
  void add_raw(std::string_view text) { word_ += text; }
  std::vector<std::string> take() {
    if (!word_.empty()) words_.push_back(std::exchange(word_, {}));
    return std::move(words_);
  }

 private:
  std::vector<std::string> words_;
  std::string word_;
};

// What is being read: the whole text, a double-quoted part, or one word of a ${} form.
struct Frame {
  enum class Kind { Text, Quote, Word, Pattern, Replacement };
  Kind kind = Kind::Text;
  bool raw_escapes = false;
  std::string result;
  std::string name;      // of the variable
  std::string modifier;  // ":-", "#"
  std::string pattern;
  bool all = false;
};

class WordExpander {
 public:
  WordExpander(std::string_view text, const Variables& variables, const ExpandOptions& options)
      : text_(text), variables_(variables), options_(options) {}

  Expansion run() {
    push({.kind = Frame::Kind::Text, .raw_escapes = options_.raw_escapes});
    while (at_ < text_.size()) {
      if (stack_.back().kind == Frame::Kind::Quote) {
        step_quote();
      } else {
        step_word();
      }
    }
    if (stack_.size() > 1) unfinished();
    expansion_.text = std::move(stack_.back().result);
    expansion_.words = words_.take();
    return std::move(expansion_);
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void push(Frame frame) { stack_.push_back(std::move(frame)); }

  [[noreturn]] void unfinished() const {
    for (std::size_t i = 1; i < stack_.size(); ++i) {
      if (stack_[i].kind == Frame::Kind::Pattern) fail("syntax error: missing '/' in ${}");
      if (stack_[i].kind != Frame::Kind::Quote) fail("syntax error: missing '}'");
    }
    fail("unexpected end of statement while looking for matching double-quote");
  }

  // Text for the innermost frame. Only the outermost one is split into words.
  enum class Split { Yes, No };
  void emit(std::string_view text, Split split) {
    std::string& result = stack_.back().result;
    result += text;
    if (result.size() > kMaxExpansion) {
      throw Error(ErrorCode::LimitExceeded, fmt::format("expands to more than {} bytes", kMaxExpansion));
    }
    if (stack_.size() > 1) return;
    if (split == Split::Yes) {
      words_.add(text);
    } else {
      words_.add_raw(text);
    }
  }

  std::string_view take_character() {
    Character c = decode(text_, at_);
    std::string_view text = text_.substr(at_, c.size);
    at_ += c.size;
    return text;
  }

  void step_word() {
    Frame& frame = stack_.back();
    char c = peek();
    char stop = frame.kind == Frame::Kind::Pattern ? '/' : '}';
    if (frame.kind != Frame::Kind::Text && c == stop) {
      ++at_;
      finish_frame();
    } else if (c == '$') {
      step_dollar();
    } else if (c == '\'' && !options_.keep_quotes) {
      single_quote();
    } else if (c == '"' && !options_.keep_quotes) {
      ++at_;
      push({.kind = Frame::Kind::Quote, .raw_escapes = frame.raw_escapes, .result = options_.raw_quotes ? "\"" : ""});
    } else if (c == '<' && text_.substr(at_, 2) == "<<") {
      // The name of a here-document may stand apart from its "<<": one word all the same.
      std::size_t start = at_;
      at_ += 2;
      while (at_ < text_.size() && is_white(decode(text_, at_).code)) take_character();
      emit(text_.substr(start, at_ - start), Split::No);
    } else if (c == options_.escape) {
      if (frame.raw_escapes) emit(text_.substr(at_, 1), Split::No);
      ++at_;
      if (at_ < text_.size()) emit(take_character(), Split::No);
    } else {
      emit(take_character(), Split::Yes);
    }
  }

  void step_quote() {
    Frame& frame = stack_.back();
    char c = peek();
    if (c == '"') {
      ++at_;
      if (options_.raw_quotes) frame.result += '"';
      std::string result = std::move(frame.result);
      stack_.pop_back();
      emit(result, Split::No);
    } else if (c == '$') {
      step_dollar();
    } else if (c == options_.escape) {
      ++at_;
      if (frame.raw_escapes) emit(text_.substr(at_ - 1, 1), Split::No);
      if (at_ == text_.size()) return;
      char next = peek();
      bool escapes = next == '"' || next == '$' || next == options_.escape;
      emit(escapes ? text_.substr(at_++, 1) : text_.substr(at_ - 1, 1), Split::No);
    } else {
      emit(take_character(), Split::No);
    }
  }

  void single_quote() {
    std::size_t end = text_.find('\'', at_ + 1);
    if (end == std::string_view::npos) fail("unexpected end of statement while looking for matching single-quote");
    std::string_view inner = text_.substr(at_ + 1, end - at_ - 1);
    emit(options_.raw_quotes ? text_.substr(at_, end - at_ + 1) : inner, Split::No);
    at_ = end + 1;
  }

  // A value in the place of a reference; it is split like the text around it.
  void emit_value(std::string_view value) {
    emit(value, stack_.back().kind == Frame::Kind::Quote ? Split::No : Split::Yes);
  }

  void step_dollar() {
    ++at_;
    if (peek() != '{' || at_ == text_.size()) {
      std::string name = take_name();
      if (name.empty()) return emit_value("$");
      const std::string* value = find(name);
      if (value != nullptr) return emit_value(*value);
      return emit_value(options_.keep_unset ? "$" + name : "");
    }
    ++at_;
    if (at_ == text_.size()) fail("syntax error: missing '}'");
    if (peek() == '{' || peek() == '}' || peek() == ':') fail("syntax error: bad substitution");
    open_substitution(take_name());
  }

  void open_substitution(std::string name) {
    if (at_ == text_.size()) fail("syntax error: missing '}'");
    std::string modifier(take_character());
    if (modifier == "}") {
      const std::string* value = find(name);
      if (value != nullptr) return emit_value(*value);
      return emit_value(options_.keep_unset ? fmt::format("${{{}}}", name) : "");
    }
    if (modifier == "/") {
      bool all = peek() == '/';
      if (all) ++at_;
      return push({.kind = Frame::Kind::Pattern, .raw_escapes = true, .name = std::move(name), .all = all});
    }
    if (modifier == ":") modifier += take_character();
    bool known = modifier == "-" || modifier == "+" || modifier == "?" || modifier == "#" || modifier == "%" ||
                 modifier == ":-" || modifier == ":+" || modifier == ":?";
    if (!known) fail(fmt::format("unsupported modifier ({}) in substitution", escape_control(modifier)));
    bool raw = modifier == "#" || modifier == "%";
    push({.kind = Frame::Kind::Word, .raw_escapes = raw, .name = std::move(name), .modifier = std::move(modifier)});
  }

  void finish_frame() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    if (frame.kind == Frame::Kind::Pattern) {
      frame.kind = Frame::Kind::Replacement;
      frame.pattern = std::exchange(frame.result, {});
      return push(std::move(frame));
    }
    emit_value(substitute(frame));
  }

  std::string substitute(const Frame& frame) {
    const std::string* value = find(frame.name);
    const std::string& word = frame.result;
    bool replaces = frame.kind == Frame::Kind::Replacement;
    if (value == nullptr && options_.keep_unset) {
      if (replaces) return fmt::format("${{{}/{}/{}}}", frame.name, frame.pattern, word);
      return fmt::format("${{{}{}{}}}", frame.name, frame.modifier, word);
    }
    if (replaces) return value == nullptr ? "" : replace_pattern(frame.pattern, word, *value, frame.all);
    bool missing = value == nullptr || (frame.modifier[0] == ':' && value->empty());
    switch (frame.modifier.back()) {
      case '-':
        return missing ? word : *value;
      case '+':
        return missing ? "" : word;
      case '?':
        if (!missing) return *value;
        fail(fmt::format("{}: {}", frame.name,
                         !word.empty()      ? escape_control(word)
                         : value == nullptr ? "is not allowed to be unset"
                                            : "is not allowed to be empty"));
      default:
        return trim_pattern(frame.modifier[0], word, value == nullptr ? std::string() : *value);
    }
  }

  static std::string trim_pattern(char end, std::string_view pattern, std::string value) {
    bool longest = pattern.starts_with(end);
    if (longest) pattern.remove_prefix(1);
    return end == '#' ? trim_prefix_pattern(pattern, std::move(value), longest)
                      : trim_suffix_pattern(pattern, std::move(value), longest);
  }

  // A name, a number, or one of the shell's special parameters.
  std::string take_name() {
    std::size_t start = at_;
    Character c = decode(text_, at_);
    if (is_digit(c.code) && c.size == 1) {
      while (at_ < text_.size() && is_digit(decode(text_, at_).code)) ++at_;
    } else if (c.size == 1 && c.code != 0 && std::string_view("@*#?-$!").find(text_[at_]) != std::string_view::npos) {
      ++at_;
    } else {
      while (c.size > 0 && (is_letter(c.code) || is_digit(c.code) || c.code == '_')) {
        at_ += c.size;
        c = decode(text_, at_);
      }
    }
    return std::string(text_.substr(start, at_ - start));
  }

  const std::string* find(const std::string& name) {
    auto found = variables_.find(name);
    (found == variables_.end() ? expansion_.unmatched : expansion_.matched).insert(name);
    return found == variables_.end() ? nullptr : &found->second;
  }

  std::string_view text_;
  const Variables& variables_;
  const ExpandOptions& options_;
  std::size_t at_ = 0;
  std::vector<Frame> stack_;
  Words words_;
  Expansion expansion_;
};

}  // namespace

Expansion expand(std::string_view word, const Variables& variables, const ExpandOptions& options) {
  While expanding{[&] { return fmt::format("failed to process \"{}\"", escape_control(word.substr(0, 200))); }};
  return WordExpander(word, variables, options).run();
}

}  // namespace proa::build
