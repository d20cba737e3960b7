#include "libcommon/spec/env_file.h"

#include <fmt/core.h>

#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/utf8.h"

namespace proa::spec {
namespace {

constexpr std::size_t kMaxLine = 64 * 1024;
constexpr std::string_view kBlank = " \t";

[[noreturn]] void refuse_environment(std::string message) {
  throw Error(ErrorCode::InvalidArgument, std::move(message));
}

// The start of a line as it may be shown: files hold secrets, so never the value.
std::string shown_name(std::string_view line) { return escape_control(line.substr(0, line.find('=')).substr(0, 80)); }

// Calls `each` with every line that says something, without leading white space.
template <typename Each>
void for_each_line(std::string_view text, std::string_view file, Each each) {
  int number = 0;
  while (!text.empty()) {
    ++number;
    auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    auto fail = [&](std::string_view problem) {
      refuse_environment(fmt::format("{}: line {}: {}", file, number, problem));
    };
    if (line.size() >= kMaxLine) fail("longer than 64 KiB");
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!is_utf8(line)) fail("not UTF-8");
    if (number == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
    while (!line.empty() && (line.front() == ' ' || (line.front() >= '\t' && line.front() <= '\r')))
      line.remove_prefix(1);
    if (line.empty() || line.front() == '#') continue;
    std::string_view key = line.substr(0, line.find('='));
    if (key.empty()) fail("there is no name in front of \"=\"");
    if (key.find_first_of(kBlank) != std::string_view::npos)
      fail(fmt::format("the name \"{}\" holds white space", shown_name(line)));
    if (line.find('\0') != std::string_view::npos) fail("a NUL byte");
    each(line);
  }
}

}  // namespace

std::optional<std::string> lookup_process_environment(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  return value ? std::optional<std::string>(value) : std::nullopt;
}

std::string parse_env(std::string_view text, const Lookup& lookup) {
  auto parts = cut(text, "=");
  if (text.empty() || (parts && parts->first.empty())) {
    refuse_environment("an environment variable has no name: expected NAME=VALUE, or NAME to take the value from here");
  }
  if (text.find('\0') != std::string_view::npos) {
    refuse_environment(fmt::format("invalid environment variable \"{}\"", shown_name(text)));
  }
  if (parts) return std::string(text);
  auto value = lookup(text);
  return value ? fmt::format("{}={}", text, *value) : std::string(text);
}

std::vector<std::string> parse_env_file(std::string_view text, std::string_view name, const Lookup& lookup) {
  std::vector<std::string> variables;
  for_each_line(text, name, [&](std::string_view line) {
    std::string variable = parse_env(line, lookup);
    if (variable.find('=') != std::string::npos) variables.push_back(std::move(variable));
  });
  return variables;
}

std::vector<std::string> collect_env(const std::vector<std::string>& from_files,
                                     const std::vector<std::string>& options, const Lookup& lookup) {
  std::vector<std::string> variables = from_files;
  for (const auto& option : options) {
    std::string variable = parse_env(option, lookup);
    if (variable.find('=') != std::string::npos) variables.push_back(std::move(variable));
  }
  return variables;
}

Label parse_label(std::string_view text) {
  auto parts = cut(text, "=");
  std::string_view key = parts ? parts->first : text;
  key.remove_prefix(std::min(key.find_first_not_of(kBlank), key.size()));
  if (key.empty()) refuse_environment(fmt::format("invalid label \"{}\": the key is empty", escape_control(text)));
  if (key.find_first_of(kBlank) != std::string_view::npos) {
    refuse_environment(fmt::format("invalid label \"{}\": the key holds white space", escape_control(key)));
  }
  return {std::string(key), std::string(parts ? parts->second : "")};
}

std::vector<Label> parse_label_file(std::string_view text, std::string_view name) {
  std::vector<Label> labels;
  for_each_line(text, name, [&](std::string_view line) { labels.push_back(parse_label(line)); });
  return labels;
}

}  // namespace proa::spec
