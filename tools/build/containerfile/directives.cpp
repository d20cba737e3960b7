#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "tools/build/containerfile/syntax.h"

namespace proa::build {
namespace {

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// "<comment> key = value"; key starts with a letter.
std::optional<std::pair<std::string, std::string>> split_directive(std::string_view line, std::string_view comment) {
  line = trim(line);
  if (!line.starts_with(comment)) return std::nullopt;
  line = detail::trim_left(line.substr(comment.size()));
  std::size_t end = 0;
  while (end < line.size() && is_alnum(line[end])) ++end;
  if (end == 0 || (line[0] >= '0' && line[0] <= '9')) return std::nullopt;
  std::string key = to_lower(line.substr(0, end));
  line = detail::trim_left(line.substr(end));
  if (line.empty() || line[0] != '=') return std::nullopt;
  line = trim(line.substr(1));
  if (line.empty()) return std::nullopt;
  return std::pair(key, std::string(line));
}

struct Head {
  std::string_view text;
  int line = 0;
};

Head skip_shebang(std::string_view text) {
  text = detail::without_bom(text);
  if (!text.starts_with("#!")) return {text, 0};
  std::size_t end = text.find('\n');
  return {end == std::string_view::npos ? std::string_view() : text.substr(end + 1), 1};
}

std::optional<Directive> find_with_comment(std::string_view key, Head head, std::string_view comment) {
  DirectiveReader reader(comment, head.line);
  std::optional<Directive> found;
  try {
    while (!head.text.empty() && !reader.done()) {
      std::size_t end = head.text.find('\n');
      auto directive = reader.next(head.text.substr(0, end));
      if (directive && directive->key == key && !found) found = std::move(directive);
      head.text = end == std::string_view::npos ? std::string_view() : head.text.substr(end + 1);
    }
  } catch (const Error&) {
    return std::nullopt;  // a repeated directive is reported where the file is parsed
  }
  return found;
}

}  // namespace

std::optional<Directive> DirectiveReader::next(std::string_view line) {
  ++line_;
  if (done_) return std::nullopt;
  auto pair = split_directive(line, comment_);
  if (!pair) {
    done_ = true;
    return std::nullopt;
  }
  if (pair->first != "escape" && pair->first != "syntax" && pair->first != "check") return std::nullopt;
  if (std::find(seen_.begin(), seen_.end(), pair->first) != seen_.end()) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("only one {} parser directive can be used", pair->first));
  }
  seen_.push_back(pair->first);
  return Directive{std::move(pair->first), std::move(pair->second), line_};
}

std::optional<Directive> find_directive(std::string_view key, std::string_view text) {
  return find_with_comment(key, skip_shebang(text), "#");
}

std::optional<Directive> find_syntax_directive(std::string_view text) {
  Head head = skip_shebang(text);
  if (auto found = find_with_comment("syntax", head, "#")) return found;
  if (auto found = find_with_comment("syntax", head, "//")) return found;
  if (!detail::trim_left(head.text).starts_with("{")) return std::nullopt;
  auto json = read_json(head.text);
  if (!json.is_object() || !json.contains("syntax")) return std::nullopt;
  for (const auto& member : json) {
    if (!member.is_string()) return std::nullopt;
  }
  return Directive{"syntax", json["syntax"].get<std::string>(), head.line};
}

}  // namespace proa::build
