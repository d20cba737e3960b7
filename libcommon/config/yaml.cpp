#include "libcommon/config/yaml.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::config {
namespace {

constexpr int kMaxDepth = 10;

struct Line {
  int number;
  std::size_t indent;
  std::string_view text;  // without indent and trailing white space
};

class Parser {
 public:
  Parser(std::string_view text, std::string_view name) : name_(name) {
    int number = 0;
    for (const auto& raw : split_lines(text)) {
      ++number;
      const auto start = raw.find_first_not_of(' ');
      if (start == std::string_view::npos || trim(raw).empty()) continue;
      std::string_view content = raw.substr(start);
      while (content.ends_with(' ') || content.ends_with('\r') || content.ends_with('\t')) content.remove_suffix(1);
      if (content.front() == '#') continue;
      if (content.front() == '\t') fail(number, "a tab cannot indent a line");
      if (start == 0 && content == "---" && lines_.empty()) continue;
      if (start == 0 && (content == "---" || content == "...")) fail(number, "several documents in one file");
      lines_.push_back({number, start, content});
    }
  }

  YamlNode parse() {
    YamlNode root;
    root.is_mapping = true;
    if (lines_.empty()) return root;
    if (lines_.size() == 1 && lines_.front().text == "{}") return root;
    if (lines_.front().indent != 0) fail(lines_.front().number, "the first key has to begin its line");
    parse_members(root, 0, 0);
    return root;
  }

 private:
  static std::vector<std::string_view> split_lines(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
      const auto end = text.find('\n');
      lines.push_back(text.substr(0, end));
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return lines;
  }

  [[noreturn]] void fail(int line, std::string_view problem) const {
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}:{}: {}", name_, line, problem));
  }

  // All keys of one mapping stand at one indent.
  void parse_members(YamlNode& mapping, std::size_t indent, int depth) {
    if (depth > kMaxDepth) fail(lines_[at_].number, "nested too deep");
    while (at_ < lines_.size() && lines_[at_].indent >= indent) {
      const Line line = lines_[at_++];
      if (line.indent != indent) fail(line.number, "indented otherwise than the key above");
      auto [key, rest] = take_key(line);
      const bool twice =
          std::ranges::any_of(mapping.members, [&key = key](const auto& member) { return member.key == key; });
      if (twice) fail(line.number, fmt::format("key \"{}\" occurs twice", escape_control(key)));
      YamlNode value = parse_value(line, rest);
      if (!value.is_mapping && !value.quoted && value.scalar.empty() && at_ < lines_.size() &&
          lines_[at_].indent > indent) {
        value.is_mapping = true;
        parse_members(value, lines_[at_].indent, depth + 1);
      }
      mapping.members.push_back({std::move(key), std::move(value)});
    }
  }

  std::pair<std::string, std::string_view> take_key(const Line& line) {
    std::string_view text = line.text;
    if (text.front() == '"' || text.front() == '\'') {
      auto [key, rest] = take_quoted(line, text);
      rest = trim(rest);
      if (!rest.starts_with(':')) fail(line.number, "a key is followed by a colon");
      return {std::move(key), rest.substr(1)};
    }
    refuse_indicator(line, text);
    // A colon ends the key only before white space: "registry.example.com:5000/app: ..." has one key.
    for (std::size_t colon = text.find(':'); colon != std::string_view::npos; colon = text.find(':', colon + 1)) {
      if (colon + 1 == text.size() || text[colon + 1] == ' ' || text[colon + 1] == '\t')
        return {std::string(trim(text.substr(0, colon))), text.substr(colon + 1)};
    }
    fail(line.number, "expected \"key: value\"");
  }

  YamlNode parse_value(const Line& line, std::string_view text) {
    YamlNode node;
    node.line = line.number;
    text = without_comment(text);
    if (text.empty() || text == "~" || text == "null") return node;
    if (text.front() == '"' || text.front() == '\'') {
      auto [value, rest] = take_quoted(line, text);
      if (!without_comment(rest).empty()) fail(line.number, "text after a quoted value");
      node.scalar = std::move(value);
      node.quoted = true;
      return node;
    }
    if (text == "{}") {
      node.is_mapping = true;
      return node;
    }
    refuse_indicator(line, text);
    for (std::size_t colon = text.find(':'); colon != std::string_view::npos; colon = text.find(':', colon + 1)) {
      if (colon + 1 == text.size() || text[colon + 1] == ' ') fail(line.number, "two keys in one line");
    }
    node.scalar = std::string(text);
    return node;
  }

  // " # ..." begins a comment; "#" inside a word does not. Quoted text is looked at by take_quoted.
  static std::string_view without_comment(std::string_view text) {
    const auto from = text.find_first_not_of(" \t");
    if (from == std::string_view::npos) return {};
    if (text[from] == '"' || text[from] == '\'') return trim(text);
    if (text[from] == '#' && from > 0) return {};
    for (std::size_t i = from + 1; i < text.size(); ++i) {
      if (text[i] == '#' && (text[i - 1] == ' ' || text[i - 1] == '\t')) return trim(text.substr(0, i));
    }
    return trim(text);
  }

  void refuse_indicator(const Line& line, std::string_view text) const {
    const bool list = text == "-" || text.starts_with("- ");
    const bool complex_key = text == "?" || text.starts_with("? ");
    if (list || complex_key || std::string_view("[]{},&*!|>%@`").find(text.front()) != std::string_view::npos)
      fail(line.number, "only keys with plain or quoted values are understood here");
  }

  // 'it''s' and "with \" and \\"; other escapes are refused.
  std::pair<std::string, std::string_view> take_quoted(const Line& line, std::string_view text) const {
    const char quote = text.front();
    std::string value;
    for (std::size_t i = 1; i < text.size(); ++i) {
      if (quote == '\'' && text.substr(i, 2) == "''") {
        value += text[i++];
      } else if (text[i] == quote) {
        return {std::move(value), text.substr(i + 1)};
      } else if (quote == '"' && text[i] == '\\') {
        const char next = i + 1 < text.size() ? text[i + 1] : '\0';
        if (next != '"' && next != '\\' && next != '/') fail(line.number, "this escape is not understood here");
        value += next;
        ++i;
      } else {
        value += text[i];
      }
    }
    fail(line.number, "a quote is not closed");
  }

  std::string name_;
  std::vector<Line> lines_;
  std::size_t at_ = 0;
};

}  // namespace

YamlNode parse_yaml(std::string_view text, std::string_view name) { return Parser(text, name).parse(); }

}  // namespace proa::config
