#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "tools/build/containerfile/expand.h"
#include "tools/build/containerfile/syntax.h"

namespace proa::build {
namespace {

auto count_quotes(const std::string& word) {
  return std::count_if(word.begin(), word.end(), [](char c) { return c == '\'' || c == '"'; });
}

}  // namespace

std::optional<Heredoc> parse_heredoc_word(std::string_view word) {
  Heredoc heredoc;
  std::size_t digits = 0;
  while (digits < word.size() && word[digits] >= '0' && word[digits] <= '9') ++digits;
  if (!word.substr(digits).starts_with("<<")) return std::nullopt;
  if (digits > 0) {
    auto fd = parse_integer<int>(word.substr(0, digits));
    if (!fd) throw Error(ErrorCode::InvalidArgument, fmt::format("no such descriptor: {}", word.substr(0, digits)));
    heredoc.fd = *fd;
  }
  std::string_view rest = word.substr(digits + 2);
  if (rest.starts_with('-')) {
    heredoc.chomp = true;
    rest.remove_prefix(1);
  }
  rest = detail::trim_left(rest);
  if (rest.empty() || rest.find('<') != std::string_view::npos) return std::nullopt;

  ExpandOptions options;
  options.keep_unset = true;
  Expansion plain = expand(rest, {}, options);
  if (plain.words.size() != 1) return std::nullopt;
  options.raw_quotes = true;
  Expansion quoted = expand(rest, {}, options);
  if (quoted.words.size() != 1) return std::nullopt;
  heredoc.name = plain.words[0];
  // A quoted name means that nothing is expanded in the document, as in a shell.
  heredoc.expand = count_quotes(plain.words[0]) == count_quotes(quoted.words[0]);
  return heredoc;
}

std::vector<Heredoc> heredocs_in_line(std::string_view line) {
  ExpandOptions options;
  options.raw_quotes = true;
  options.raw_escapes = true;
  options.keep_unset = true;
  std::vector<std::string> words;
  try {
    words = expand(line, {}, options).words;
  } catch (const Error& error) {
    // Not every shell command is a word to us; it then announces nothing.
    if (error.code() != ErrorCode::InvalidArgument) throw;
  }
  std::vector<Heredoc> heredocs;
  for (const std::string& word : words) {
    if (auto heredoc = parse_heredoc_word(word)) heredocs.push_back(std::move(*heredoc));
  }
  return heredocs;
}

std::string chomp_heredoc(std::string_view content) {
  std::string result;
  bool line_start = true;
  for (char c : content) {
    if (line_start && c == '\t') continue;
    line_start = c == '\n';
    result += c;
  }
  return result;
}

}  // namespace proa::build
