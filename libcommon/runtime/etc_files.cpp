#include "libcommon/runtime/etc_files.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::runtime {
namespace {

constexpr std::size_t kMaxLine = 64u << 10;

// A byte that ends a line or a field would add one of its own.
void check_word(std::string_view word, std::string_view what) {
  bool bad = word.empty() || word.size() > kMaxLine ||
             std::any_of(word.begin(), word.end(), [](unsigned char c) { return c <= ' ' || c == 0x7f || c == '#'; });
  if (bad) throw Error(ErrorCode::InvalidArgument, fmt::format("'{}' is no {}", escape_control(word), what));
}

bool mentions(std::string_view text, std::string_view name) {
  for (const auto& line : split(text, '\n')) {
    std::string spaced = replace_all(line, "\t", " ");
    auto words = split(std::string_view(spaced).substr(0, spaced.find('#')), ' ');
    if (std::find(words.begin(), words.end(), name) != words.end()) return true;
  }
  return false;
}

std::vector<std::string> fields(const std::string& line) {
  std::vector<std::string> words;
  for (auto& word : split(replace_all(replace_all(line, "\t", " "), "\r", ""), ' ')) {
    if (!word.empty()) words.push_back(std::move(word));
  }
  return words;
}

}  // namespace

std::string hosts_text(const std::vector<HostsEntry>& entries, std::string_view base) {
  std::string text(base);
  if (!text.empty() && text.back() != '\n') text += '\n';
  if (!mentions(text, "localhost"))
    text += "127.0.0.1\tlocalhost localhost.localdomain\n::1\tlocalhost localhost.localdomain\n";
  for (const auto& entry : entries) {
    check_word(entry.address, "address");
    for (const auto& name : entry.names) check_word(name, "host name");
    text += fmt::format("{}\t{}\n", entry.address, join(entry.names, " "));
  }
  return text;
}

std::string hostname_text(std::string_view hostname) {
  check_word(hostname, "host name");
  return std::string(hostname) + "\n";
}

ResolvConf parse_resolv_conf(std::string_view text) {
  ResolvConf conf;
  for (const auto& line : split(text, '\n')) {
    auto words = fields(line);
    if (words.size() < 2) continue;
    std::vector<std::string> rest(words.begin() + 1, words.end());
    if (words[0] == "nameserver") conf.nameservers.push_back(rest[0]);
    if (words[0] == "search" || words[0] == "domain") conf.search = rest;  // the last one counts, resolv.conf(5)
    if (words[0] == "options") conf.options.insert(conf.options.end(), rest.begin(), rest.end());
  }
  return conf;
}

std::string resolv_conf_text(const ResolvConf& conf) {
  std::string text;
  for (const auto& word : conf.search) check_word(word, "search domain");
  for (const auto& word : conf.nameservers) check_word(word, "name server");
  for (const auto& word : conf.options) check_word(word, "option of resolv.conf");
  if (!conf.search.empty()) text += fmt::format("search {}\n", join(conf.search, " "));
  for (const auto& server : conf.nameservers) text += fmt::format("nameserver {}\n", server);
  if (!conf.options.empty()) text += fmt::format("options {}\n", join(conf.options, " "));
  return text;
}

}  // namespace proa::runtime
