#include "tools/build/sources/git_ref.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "tools/build/refuse.h"

namespace proa::build {
namespace {

bool only(std::string_view text, std::string_view more) {
  for (char c : text) {
    bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!alnum && more.find(c) == std::string_view::npos) return false;
  }
  return !text.empty();
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string unescape(std::string_view text, bool plus_is_space) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1, low = high < 0 ? -1 : hex_digit(text[i + 2]);
      if (low < 0) fail(fmt::format("invalid URL escape in {}", escape_control(text)));
      result += static_cast<char>(high << 4 | low);
      i += 2;
    } else {
      result += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

void parse_query(std::string_view text, GitUrl& url) {
  for (const std::string& field : split(text, '&')) {
    if (field.empty()) continue;
    auto pair = cut(field, "=");
    url.query[unescape(pair ? pair->first : std::string_view(field), true)].push_back(
        pair ? unescape(pair->second, true) : "");
  }
}

// Takes "?query" and "#fragment" off.
std::string_view take_tail(std::string_view text, GitUrl& url) {
  if (auto pair = cut(text, "#")) {
    url.fragment = unescape(pair->second, false);
    text = pair->first;
  }
  if (auto pair = cut(text, "?")) {
    parse_query(pair->second, url);
    text = pair->first;
  }
  return text;
}

// "user@host:path"; nullopt: it is none.
std::optional<GitUrl> parse_scp_style(std::string_view text) {
  auto at = cut(text, "@");
  if (!at || !only(at->first, "-_")) return std::nullopt;
  auto colon = cut(at->second, ":");
  if (!colon || !only(colon->first, "-.")) return std::nullopt;
  GitUrl url;
  url.scheme = "ssh";
  url.user = at->first;
  url.host = colon->first;
  url.path = take_tail(colon->second, url);
  url.remote = fmt::format("{}@{}:{}", url.user, url.host, url.path);
  return url;
}

GitUrl parse_with_scheme(std::string_view scheme, std::string_view rest) {
  GitUrl url;
  url.scheme = scheme;
  rest = take_tail(rest, url);
  std::size_t slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  url.path = unescape(slash == std::string_view::npos ? std::string_view() : rest.substr(slash), false);
  url.remote = (url.scheme.empty() ? "" : url.scheme + "://") + std::string(rest);
  if (auto at = cut_last(authority, "@")) {
    url.user = unescape(at->first, false);
    authority = at->second;
  }
  url.host = authority;
  if (url.host.empty()) fail("the URL has no host");
  return url;
}

bool parse_flag(const std::string& name, const std::string& value) {
  if (value.empty() || value == "1" || value == "true" || value == "TRUE" || value == "True" || value == "t")
    return true;
  if (value == "0" || value == "false" || value == "FALSE" || value == "False" || value == "f") return false;
  fail(fmt::format("invalid {} value: \"{}\"", name, escape_control(value)));
}

// One wish, said in several ways: all must agree.
void set_once(std::string& target, const std::string& value, std::string_view name) {
  if (!target.empty() && target != value) {
    fail(fmt::format("{} conflicts: \"{}\" vs \"{}\"", name, escape_control(target), escape_control(value)));
  }
  target = value;
}

void apply_query(const std::string& key, const std::string& value, GitRef& ref) {
  if (key == "ref") {
    set_once(ref.ref, value, "ref");
  } else if (key == "tag") {
    set_once(ref.ref, value.starts_with("refs/tags/") ? value : "refs/tags/" + value, "ref");
  } else if (key == "branch") {
    set_once(ref.ref, value.starts_with("refs/heads/") ? value : "refs/heads/" + value, "ref");
  } else if (key == "subdir") {
    set_once(ref.subdir, value, "subdir");
  } else if (key == "checksum" || key == "commit") {
    set_once(ref.checksum, value, "checksum");
  } else if (key == "keep-git-dir") {
    ref.keep_git_dir = parse_flag(key, value);
  } else if (key == "submodules") {
    ref.submodules = parse_flag(key, value);
  } else if (key == "mtime") {
    if (value != "checkout" && value != "commit")
      fail(fmt::format("invalid mtime value: \"{}\" (must be \"checkout\" or \"commit\")", escape_control(value)));
    ref.mtime = value;
  } else if (key == "fetch-by-commit") {
    ref.fetch_by_commit = parse_flag(key, value);
  } else {
    fail(fmt::format("unexpected query \"{}\"", escape_control(key)));
  }
}

}  // namespace

GitUrl GitUrl::parse(std::string_view text) {
  if (auto pair = cut(text, "://"); pair && only(pair->first, "")) {
    if (pair->first != "http" && pair->first != "https" && pair->first != "ssh" && pair->first != "git") {
      fail(fmt::format("unknown protocol {}", escape_control(pair->first)));
    }
    return parse_with_scheme(pair->first, pair->second);
  }
  if (auto url = parse_scp_style(text)) return std::move(*url);
  fail("unknown protocol");
}

GitRef GitRef::parse(std::string_view text) {
  GitRef ref;
  GitUrl url;
  if (text.starts_with("github.com/")) {
    ref.like_local = true;
    url = parse_with_scheme("", text);
  } else {
    url = GitUrl::parse(text);
    // Any page may be at such an address: only the suffix tells a repository.
    bool web = url.scheme == "http" || url.scheme == "https";
    if (web && !url.path.ends_with(".git")) fail(fmt::format("{} names no git repository", escape_control(text)));
    ref.unencrypted = url.scheme == "http" || url.scheme == "git";
  }
  ref.remote = url.remote;
  std::string_view name = url.remote;
  if (auto pair = cut_last(name, "/")) name = pair->second;
  if (name.ends_with(".git")) name.remove_suffix(4);
  ref.short_name = name;
  if (url.fragment) {
    auto pair = cut(*url.fragment, ":");
    ref.ref = pair ? std::string(pair->first) : *url.fragment;
    if (pair) ref.subdir = pair->second;
  }
  for (const auto& [key, values] : url.query) {
    for (const std::string& value : values) apply_query(key, value, ref);
  }
  return ref;
}

std::optional<GitRef> GitRef::try_parse(std::string_view text) {
  bool web = text.starts_with("http://") || text.starts_with("https://");
  bool other = text.starts_with("git://") || text.starts_with("ssh://") || text.starts_with("github.com/");
  if (web) {
    std::string_view path = text.substr(0, text.find_first_of("?#"));
    if (!path.ends_with(".git")) return std::nullopt;
  } else if (!other && !parse_scp_style(text)) {
    return std::nullopt;
  }
  return parse(text);
}

std::string without_credentials(std::string_view url) {
  auto scheme = cut(url, "://");
  if (!scheme) return std::string(url);
  std::size_t end = std::min(scheme->second.find_first_of("/?#"), scheme->second.size());
  std::string_view authority = scheme->second.substr(0, end);
  auto at = cut_last(authority, "@");
  if (!at) return std::string(url);
  return fmt::format("{}://{}{}", scheme->first, at->second, scheme->second.substr(end));
}

}  // namespace proa::build
