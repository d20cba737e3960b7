#include "libcommon/config/yaml.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::config {

namespace {

constexpr int kMaxDepth = 50;
using YamlKind = YamlNode::Kind;

struct Line {
  std::size_t number = 0;
  std::size_t indent = 0;
  std::string_view text;  // without indentation and comment; never empty
};

[[noreturn]] void fail(std::size_t line, const std::string& problem) {
  throw Error(ErrorCode::InvalidArgument, fmt::format("line {}: {}", line, problem));
}

// Where a comment begins: a # at the start or after white space, outside of quotes.
std::string_view without_comment(std::string_view text) {
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\' && quote == '"') {
        ++i;
      } else if (c == quote) {
        quote = 0;
      }
    } else if (c == '"' || c == '\'') {
      const bool opens = i == 0 || std::string_view(" \t[{,:-").find(text[i - 1]) != std::string_view::npos;
      if (opens) quote = c;
    } else if (c == '#' && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '\t')) {
      return text.substr(0, i);
    }
  }
  return text;
}

std::vector<Line> split_lines(std::string_view text) {
  std::vector<Line> lines;
  std::size_t number = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto raw = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (raw.ends_with('\r')) raw.remove_suffix(1);
    const auto indent = std::min(raw.find_first_not_of(' '), raw.size());
    const auto content = trim(without_comment(raw.substr(indent)));
    if (content.empty()) continue;
    if (raw[indent] == '\t') fail(number, "a tab cannot indent");
    if (indent == 0 && content == "---" && lines.empty()) continue;
    if (indent == 0 && (content == "---" || content == "...")) fail(number, "one document only");
    if (content.front() == '%') fail(number, "directives are not supported");
    lines.push_back({.number = number, .indent = indent, .text = content});
  }
  return lines;
}

// One line's value, in flow style: scalars, [a, b], {a: b}.
class FlowParser {
 public:
  FlowParser(std::string_view text, std::size_t line) : text_(text), line_(line) {}

  YamlNode value_and_end() {
    auto node = value(0, false);
    skip_blank();
    if (at_ < text_.size()) fail(line_, fmt::format("unexpected \"{}\"", escape_control(text_.substr(at_))));
    return node;
  }

  // A key with its colon; nullopt when the line holds none.
  std::optional<std::string> key() {
    const auto start = at_;
    std::string name;
    if (peek() == '"' || peek() == '\'') {
      name = quoted();
    } else {
      while (at_ < text_.size() && !is_colon()) name += text_[at_++];
      name = std::string(trim(name));
    }
    skip_blank();
    if (!is_colon() || (name.empty() && text_[start] == ':')) {
      at_ = start;
      return std::nullopt;
    }
    ++at_;
    skip_blank();
    return name;
  }
  std::string_view rest() const { return text_.substr(at_); }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool is_colon() const {
    return peek() == ':' && (at_ + 1 == text_.size() || text_[at_ + 1] == ' ' || text_[at_ + 1] == '\t');
  }
  void skip_blank() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }

  YamlNode value(int depth, bool inside) {
    if (depth > kMaxDepth) fail(line_, "nested too deep");
    skip_blank();
    YamlNode node;
    node.line = line_;
    switch (peek()) {
      case '[':
        return sequence(depth);
      case '{':
        return mapping(depth);
      case '"':
      case '\'':
        node.kind = YamlKind::Scalar;
        node.quoted = true;
        node.scalar = quoted();
        return node;
      case '&':
      case '*':
        fail(line_, "anchors and aliases are not supported");
      case '!':
        fail(line_, "tags are not supported");
      case '|':
      case '>':
        fail(line_, "block scalars are not supported; write the text in quotes");
      default:
        return plain(inside);
    }
  }

  YamlNode plain(bool inside) {
    const auto start = at_;
    if (std::string_view("%@`").find(peek()) != std::string_view::npos || text_.substr(at_).starts_with("? "))
      fail(line_, fmt::format("a plain text cannot begin with {}", peek()));
    while (at_ < text_.size() && !(inside && std::string_view(",]}").find(peek()) != std::string_view::npos) &&
           !(inside && is_colon())) {
      if (is_colon()) fail(line_, "two keys in one line");
      ++at_;
    }
    YamlNode node;
    node.line = line_;
    node.scalar = std::string(trim(text_.substr(start, at_ - start)));
    const bool null = node.scalar.empty() || node.scalar == "~" || node.scalar == "null";
    node.kind = null ? YamlKind::Null : YamlKind::Scalar;
    if (null) node.scalar.clear();
    return node;
  }

  YamlNode sequence(int depth) {
    YamlNode node;
    node.kind = YamlKind::Sequence;
    node.line = line_;
    ++at_;
    for (skip_blank(); peek() != ']'; skip_blank()) {
      if (at_ >= text_.size()) fail(line_, "a [ is not closed on its line");
      node.items.push_back(value(depth + 1, true));
      skip_blank();
      if (peek() == ',') {
        ++at_;
      } else if (peek() != ']') {
        fail(line_, "expected , or ] in a sequence that ends on its line");
      }
    }
    ++at_;
    return node;
  }

  YamlNode mapping(int depth) {
    YamlNode node;
    node.kind = YamlKind::Mapping;
    node.line = line_;
    ++at_;
    for (skip_blank(); peek() != '}'; skip_blank()) {
      auto name = key();
      if (!name) fail(line_, "expected KEY: VALUE in a mapping that ends on its line");
      if (node.find(*name) != nullptr) fail(line_, fmt::format("{} is there twice", escape_control(*name)));
      node.members.push_back({std::move(*name), value(depth + 1, true)});
      skip_blank();
      if (peek() == ',') {
        ++at_;
      } else if (peek() != '}') {
        fail(line_, "expected , or } in a mapping that ends on its line");
      }
    }
    ++at_;
    return node;
  }

  std::string quoted() {
    const char quote = text_[at_++];
    std::string result;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == quote) {
        ++at_;
        if (quote == '"' || peek() != '\'') return result;
        result += '\'';  // '' inside single quotes
      } else if (c == '\\' && quote == '"') {
        result += escaped();
      } else {
        result += c;
      }
    }
    fail(line_, "a quote is not closed on its line");
  }

  char escaped() {
    ++at_;
    switch (peek()) {
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case '"':
      case '\\':
      case '/':
        return peek();
      default:
        fail(line_, "only \\\", \\\\, \\/, \\n and \\t are known in double quotes");
    }
  }

  std::string_view text_;
  std::size_t line_;
  std::size_t at_ = 0;
};

class BlockParser {
 public:
  explicit BlockParser(std::vector<Line> lines) : lines_(std::move(lines)) {}

  YamlNode document() {
    if (lines_.empty()) return {};
    auto node = block(lines_.front().indent, 0);
    if (at_ < lines_.size()) fail(lines_[at_].number, "indented less than the lines before it");
    return node;
  }

 private:
  static bool is_item(const Line& line) { return line.text == "-" || line.text.starts_with("- "); }

  YamlNode block(std::size_t indent, int depth) {
    const Line& first = lines_[at_];
    if (depth > kMaxDepth) fail(first.number, "nested too deep");
    if (is_item(first)) return sequence(indent, depth);
    if (FlowParser(first.text, first.number).key() && first.text.front() != '{' && first.text.front() != '[')
      return mapping(indent, depth);
    ++at_;
    return FlowParser(first.text, first.number).value_and_end();
  }

  YamlNode sequence(std::size_t indent, int depth) {
    YamlNode node;
    node.kind = YamlKind::Sequence;
    node.line = lines_[at_].number;
    while (at_ < lines_.size() && lines_[at_].indent == indent && is_item(lines_[at_])) {
      Line& line = lines_[at_];
      const auto content = trim(line.text.substr(1));
      if (content.empty()) {
        ++at_;
        node.items.push_back(nested(indent, false, line.number, depth));
        continue;
      }
      // "- a: 1" begins a mapping whose column is that of "a".
      line.indent += static_cast<std::size_t>(content.data() - line.text.data());
      line.text = content;
      node.items.push_back(block(line.indent, depth + 1));
    }
    check_indent(indent);
    return node;
  }

  YamlNode mapping(std::size_t indent, int depth) {
    YamlNode node;
    node.kind = YamlKind::Mapping;
    node.line = lines_[at_].number;
    while (at_ < lines_.size() && lines_[at_].indent == indent && !is_item(lines_[at_])) {
      const Line line = lines_[at_++];
      FlowParser parser(line.text, line.number);
      auto name = parser.key();
      if (!name) fail(line.number, fmt::format("expected KEY: VALUE, not \"{}\"", escape_control(line.text)));
      if (node.find(*name) != nullptr) fail(line.number, fmt::format("{} is there twice", escape_control(*name)));
      auto value = parser.rest().empty() ? nested(indent, true, line.number, depth)
                                         : FlowParser(parser.rest(), line.number).value_and_end();
      node.members.push_back({std::move(*name), std::move(value)});
    }
    check_indent(indent);
    return node;
  }

  // What is below a line that ended early: deeper, or a sequence in the column of its key.
  YamlNode nested(std::size_t indent, bool of_key, std::size_t line, int depth) {
    if (at_ < lines_.size()) {
      const Line& next = lines_[at_];
      if (next.indent > indent || (of_key && next.indent == indent && is_item(next)))
        return block(next.indent, depth + 1);
    }
    YamlNode node;
    node.line = line;
    return node;
  }

  void check_indent(std::size_t indent) const {
    if (at_ < lines_.size() && lines_[at_].indent > indent)
      fail(lines_[at_].number, "indented more than the lines before it");
  }

  std::vector<Line> lines_;
  std::size_t at_ = 0;
};

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  const auto found = std::ranges::find(members, key, &YamlMember::key);
  return found == members.end() ? nullptr : &found->value;
}

YamlNode parse_yaml(std::string_view text) { return BlockParser(split_lines(text)).document(); }

}  // namespace proa::config
