// What follows the name of an instruction, by the instruction's own rule.
#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "tools/build/containerfile/syntax.h"

namespace proa::build::detail {
namespace {

constexpr std::string_view kSpaces = "\t\v\f\r ";

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

void parse_maybe_json(Node& node, std::string_view rest) {
  if (rest.empty()) return;
  if (auto list = parse_json_strings(rest)) {
    node.args.insert(node.args.end(), list->begin(), list->end());
    node.json = true;
  } else {
    node.args.emplace_back(rest);
  }
}

void parse_maybe_json_list(Node& node, std::string_view rest) {
  if (auto list = parse_json_strings(rest)) {
    node.args = std::move(*list);
    node.json = true;
  } else if (!rest.empty()) {
    node.args = split_space(rest);
  }
}

// "HEALTHCHECK CMD ...": the kind, then a command that may be JSON.
void parse_health(Node& node, std::string_view rest) {
  std::size_t end = 0;
  while (end < rest.size() && !is_space(rest[end])) ++end;
  if (end == 0) return;
  node.args.emplace_back(rest.substr(0, end));
  parse_maybe_json(node, trim_left(rest.substr(end)));
}

// ONBUILD's own instruction. An ONBUILD in it is refused later, so that deeper ones need no parsing: no recursion on
// foreign input.
void parse_trigger(Node& node, std::string_view rest, char escape) {
  if (rest.empty()) return;
  Node trigger;
  if (to_lower(rest.substr(0, rest.find_first_of(kSpaces))) == "onbuild") {
    trigger.instruction = rest.substr(0, rest.find_first_of(kSpaces));
    trigger.original = rest;
  } else {
    trigger = parse_line(rest, escape);
  }
  node.trigger = std::make_shared<const Node>(std::move(trigger));
}

}  // namespace

std::string_view trim_left(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && is_space(text[at])) ++at;
  return text.substr(at);
}

std::string_view without_bom(std::string_view text) { return text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text; }

std::vector<std::string> split_space(std::string_view text) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  while (true) {
    std::size_t end = text.find_first_of(kSpaces, at);
    parts.emplace_back(text.substr(at, end - at));
    if (end == std::string_view::npos) return parts;
    at = text.find_first_not_of(kSpaces, end);
    if (at == std::string_view::npos) at = text.size();
  }
}

std::vector<std::string> split_words(std::string_view line, char escape) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (true) {
    while (at < line.size() && is_space(line[at])) ++at;
    if (at == line.size()) return words;
    std::string word;
    bool blank_ok = false;
    char quote = 0;
    for (; at < line.size() && (quote != 0 || !is_space(line[at])); ++at) {
      char c = line[at];
      // Nothing can be escaped in single quotes; elsewhere the escape and what follows stay together.
      if (c == escape && quote != '\'') {
        if (at + 1 == line.size()) {
          quote = 0;
          continue;
        }
        word += c;
        c = line[++at];
      } else if (quote == 0 && (c == '\'' || c == '"')) {
        quote = c;
        blank_ok = true;
      } else if (c == quote) {
        quote = 0;
      }
      word += c;
    }
    if (!word.empty() || blank_ok) words.push_back(std::move(word));
  }
}

std::optional<std::vector<std::string>> parse_json_strings(std::string_view text) {
  text = trim_left(text);
  if (text.empty() || text[0] != '[') return std::nullopt;
  auto json = read_json(text);
  if (json.is_discarded() || !json.is_array()) return std::nullopt;
  std::vector<std::string> list;
  for (const auto& element : json) {
    if (!element.is_string()) {
      throw Error(ErrorCode::InvalidArgument, "when using JSON array syntax, arrays must be comprised of strings only");
    }
    list.push_back(element.get<std::string>());
  }
  return list;
}

std::vector<std::string> parse_name_values(std::string_view rest, std::string_view instruction, char escape) {
  std::vector<std::string> words = split_words(rest, escape);
  if (words.empty()) return {};
  // A space before the first "=" tells the old form, which takes the rest of the line as the value.
  if (words[0].find('=') == std::string::npos) {
    std::size_t end = rest.find_first_of(kSpaces);
    std::size_t value = end == std::string_view::npos ? end : rest.find_first_not_of(kSpaces, end);
    if (value == std::string_view::npos) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("{} must have two arguments", instruction));
    }
    return {std::string(rest.substr(0, end)), std::string(rest.substr(value)), ""};
  }
  std::vector<std::string> result;
  for (const std::string& word : words) {
    auto pair = cut(word, "=");
    if (!pair) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("can't find = in \"{}\": must be of the form name=value", escape_control(word)));
    }
    result.insert(result.end(), {std::string(pair->first), std::string(pair->second), "="});
  }
  return result;
}

void parse_arguments(Node& node, std::string_view rest, char escape) {
  std::string name = to_lower(node.instruction);
  if (name == "env" || name == "label") {
    node.args = parse_name_values(rest, to_upper(name), escape);
  } else if (name == "arg") {
    node.args = split_words(rest, escape);
  } else if (name == "add" || name == "copy" || name == "volume") {
    parse_maybe_json_list(node, rest);
  } else if (name == "cmd" || name == "entrypoint" || name == "run" || name == "shell") {
    parse_maybe_json(node, rest);
  } else if (name == "expose" || name == "from") {
    if (!rest.empty()) node.args = split_space(rest);
  } else if (name == "healthcheck") {
    parse_health(node, rest);
  } else if (name == "onbuild") {
    parse_trigger(node, rest, escape);
  } else if (name == "maintainer" || name == "stopsignal" || name == "user" || name == "workdir") {
    if (!rest.empty()) node.args.emplace_back(rest);
  } else {
    node.args.emplace_back();  // unknown: refused when its meaning is asked for
  }
}

}  // namespace proa::build::detail
