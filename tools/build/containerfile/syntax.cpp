#include "tools/build/containerfile/syntax.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::build {
namespace {

using detail::trim_left;

// Walks over physical lines; each keeps its newline until it is trimmed, since here-documents are taken verbatim.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(detail::without_bom(text)) {}

  bool next() {
    if (rest_.empty()) return false;
    std::size_t end = rest_.find('\n');
    std::size_t size = end == std::string_view::npos ? rest_.size() : end + 1;
    if (size > kMaxLine) {
      throw Error(ErrorCode::LimitExceeded, fmt::format("line {} is longer than {} bytes", number_ + 1, kMaxLine));
    }
    raw_ = rest_.substr(0, size);
    rest_.remove_prefix(size);
    ++number_;
    return true;
  }
  std::string_view raw() const { return raw_; }
  std::string_view text() const {  // without the newline
    std::size_t end = raw_.find_last_not_of("\r\n");
    return end == std::string_view::npos ? std::string_view() : raw_.substr(0, end + 1);
  }
  int number() const { return number_; }

 private:
  std::string_view rest_, raw_;
  int number_ = 0;
};

bool is_comment(std::string_view line) {
  line = trim_left(line);
  return !line.empty() && line[0] == '#';
}

// Takes the escape character at the end off: true when the next line continues this one. Two of them are no
// continuation.
bool cut_continuation(std::string_view& line, char escape) {
  std::size_t end = line.find_last_not_of(" \t");
  if (end == std::string_view::npos || line[end] != escape) return false;
  if (end > 0 && line[end - 1] == escape) return false;
  line = line.substr(0, end);
  return true;
}

struct Flags {
  std::vector<std::string> words;
  std::string_view rest;
};

// Words that start with "--", as far as they go; quotes are removed and a backslash takes the next character as it is.
Flags take_flags(std::string_view line) {
  Flags flags;
  std::size_t at = 0;
  auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (true) {
    while (at < line.size() && is_space(line[at])) ++at;
    if (line.substr(at, 2) != "--") {
      flags.rest = line.substr(at);
      return flags;
    }
    std::string word;
    char quote = 0;
    bool blank_ok = false;
    for (; at < line.size(); ++at) {
      char c = line[at];
      if (quote == 0 && is_space(c)) break;
      if (quote == 0 && (c == '\'' || c == '"')) {
        quote = c;
        blank_ok = true;
      } else if (c == quote && quote != 0) {
        quote = 0;
      } else if (c == '\\') {
        if (at + 1 < line.size()) word += line[++at];
      } else {
        word += c;
      }
    }
    if (word == "--") {
      flags.rest = line.substr(at);
      return flags;
    }
    if (!word.empty() || blank_ok) flags.words.push_back(std::move(word));
    if (at >= line.size()) return flags;
  }
}

bool may_hold_heredoc(const Node& node) {
  std::string name = to_lower(node.instruction);
  if (name == "onbuild" && node.trigger) name = to_lower(node.trigger->instruction);
  return (name == "add" || name == "copy" || name == "run") && !node.json && !(node.trigger && node.trigger->json);
}

void read_heredocs(Node& node, Lines& lines, int first_line) {
  if (!may_hold_heredoc(node) || node.original.find("<<") == std::string::npos) return;
  for (Heredoc& heredoc : heredocs_in_line(node.original)) {
    bool terminated = false;
    while (lines.next()) {
      std::string_view text = lines.text();
      if (heredoc.chomp) text.remove_prefix(std::min(text.find_first_not_of('\t'), text.size()));
      if (text == heredoc.name) {
        terminated = true;
        break;
      }
      heredoc.content += lines.raw();
    }
    if (!terminated) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("here-document {} of line {} has no end", escape_control(heredoc.name), first_line));
    }
    node.heredocs.push_back(std::move(heredoc));
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : lines_(text) {}

  SyntaxTree parse() {
    while (lines_.next()) {
      std::string_view line = trim_left(lines_.text());
      if (is_comment(line)) {
        comments_.emplace_back(trim(line.substr(1)));
      } else if (line.empty()) {
        comments_.clear();
      }
      read_directive(line);
      if (is_comment(line)) line = {};
      parse_instruction(line);
    }
    if (tree_.nodes.empty()) throw Error(ErrorCode::InvalidArgument, "file with no instructions");
    return std::move(tree_);
  }

 private:
  void read_directive(std::string_view line) {
    auto directive = directives_.next(line);
    if (!directive || directive->key != "escape") return;
    if (directive->value != "`" && directive->value != "\\") {
      throw Error(ErrorCode::InvalidArgument, fmt::format("line {}: invalid escape token '{}' does not match ` or \\",
                                                          lines_.number(), escape_control(directive->value)));
    }
    tree_.escape = directive->value[0];
  }

  void parse_instruction(std::string_view head) {
    int first_line = lines_.number();
    bool continues = cut_continuation(head, tree_.escape);
    if (!continues && head.empty()) return;
    std::string line(head);
    bool empty_continuation = false;
    while (continues && lines_.next()) {
      std::string_view more = lines_.text();
      if (is_comment(more)) continue;
      if (trim_left(more).empty()) {
        empty_continuation = true;
        continue;
      }
      continues = cut_continuation(more, tree_.escape);
      line += more;
    }
    if (empty_continuation) tree_.warnings.push_back("Empty continuation line found in: " + line);
    While parsing{[&] { return fmt::format("line {}", first_line); }};
    Node node = parse_line(line, tree_.escape);
    node.empty_continuation = empty_continuation;
    node.doc_comments = std::move(comments_);
    comments_.clear();
    read_heredocs(node, lines_, first_line);
    node.first_line = first_line;
    node.last_line = lines_.number();
    tree_.nodes.push_back(std::move(node));
  }

  Lines lines_;
  DirectiveReader directives_;
  std::vector<std::string> comments_;
  SyntaxTree tree_;
};

}  // namespace

SyntaxTree parse_syntax(std::string_view text, std::string_view name) {
  While parsing{[&] { return escape_control(name); }};
  if (text.size() > kMaxContainerfile) {
    throw Error(ErrorCode::LimitExceeded, fmt::format("larger than {} bytes", kMaxContainerfile));
  }
  return Parser(text).parse();
}

Node parse_line(std::string_view line, char escape) {
  Node node;
  node.original = line;
  std::string_view rest = trim(line);
  std::size_t end = rest.find_first_of("\t\v\f\r ");
  node.instruction = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(rest.find_first_not_of("\t\v\f\r ", end));
  Flags flags = take_flags(rest);
  node.flags = std::move(flags.words);
  detail::parse_arguments(node, trim(flags.rest), escape);
  return node;
}

}  // namespace proa::build
