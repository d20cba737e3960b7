#include "libcommon/registry/answer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/registry/retry.h"

namespace proa::registry {
namespace {

constexpr std::size_t kMaxErrorBody = 64 << 10;
constexpr std::size_t kMaxWords = 1000;

std::string read_some(io::Source& body) {
  std::string text(kMaxErrorBody, '\0');
  try {
    text.resize(io::read_full(body, std::as_writable_bytes(std::span(text))));
  } catch (const Error&) {
    text.clear();  // the status is what counts
  }
  return text;
}

std::string text_member(const nlohmann::json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string{};
}

// distribution-spec "Error Codes": {"errors": [{"code", "message", "detail"}]}; token servers say {"details"} or
// {"error"}.
std::string decode(const std::string& body) {
  const auto json = read_json(body);
  if (!json.is_object()) return {};
  const auto errors = json.find("errors");
  if (errors == json.end() || !errors->is_array() || errors->empty() || !errors->front().is_object()) {
    for (const char* name : {"details", "error_description", "message", "error"}) {
      if (auto text = text_member(json, name); !text.empty()) return text;
    }
    return {};
  }
  std::string code = replace_all(to_lower(text_member(errors->front(), "code")), "_", " ");
  const std::string message = text_member(errors->front(), "message");
  if (message.empty() || to_lower(message) == code) return code;
  return code.empty() ? message : code + ": " + message;
}

// An answer to HEAD has no body. The words are those of the error codes of distribution-spec.
std::string words_for(int status) {
  if (status == 401) return "unauthorized";
  if (status == 403) return "denied";
  if (status == 404) return "not found";
  if (status == 429) return "too many requests";
  return fmt::format("unexpected HTTP status {}", status);
}

std::string hint_for(int status, std::string_view words, std::string_view host, const Asker& asker) {
  if (status == 429) return "the registry limits requests; wait, or log in";
  if (status == 401 || status == 403) {
    if (asker.user.empty()) return fmt::format("log in with `proa login {}`", host);
    if (status == 401 && !asker.is_proven)
      return fmt::format("check the name and the password; `proa login {}` stores others", host);
    return fmt::format("{} may not do that there, or the repository does not exist", asker.user);
  }
  if (words.starts_with("manifest unknown")) return "check the tag; `proa-copy list-tags docker://NAME` lists them";
  if (words.starts_with("name unknown") || words.starts_with("repository name not known"))
    return "check the name of the repository";
  return {};
}

ErrorCode code_for(int status) {
  if (status == 404) return ErrorCode::NotFound;
  if (status == 401 || status == 403) return ErrorCode::Unauthorized;
  if (is_passing(status) || status >= 500) return ErrorCode::Unavailable;
  return ErrorCode::Io;
}

}  // namespace

std::string words_of(http::Response& response) {
  std::string words = decode(read_some(*response.body));
  if (words.empty()) words = words_for(response.status);
  if (words.size() > kMaxWords) words.resize(kMaxWords);
  return escape_control(words);
}

// Content-Type without parameters; types that say nothing about a manifest count as none.
std::string media_type_of(const http::Response& response) {
  const auto header = response.header("Content-Type");
  if (!header) return {};
  std::string type = to_lower(trim(header->substr(0, header->find(';'))));
  for (const std::string_view vague :
       {"application/json", "text/plain", "application/octet-stream", "binary/octet-stream"}) {
    if (type == vague) return {};
  }
  return type;
}

std::optional<std::string> next_page(const http::Response& response, std::string_view list) {
  const auto link = response.header("Link");
  if (!link) return std::nullopt;
  const auto open = link->find('<');
  const auto close = link->find('>');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::nullopt;
  if (link->substr(close).find("next") == std::string_view::npos) return std::nullopt;
  std::string target(link->substr(open + 1, close - open - 1));
  if (target.starts_with('/') || target.find("://") != std::string::npos) return target;
  const std::string folder(list.substr(0, list.rfind('/') + 1));
  return (target.starts_with('?') ? std::string(list) : folder) + target;
}

void throw_answer(http::Response& response, std::string_view what, std::string_view host, const Asker& asker) {
  std::string words = words_of(response);
  std::string hint = hint_for(response.status, words, host, asker);
  if (response.status == 401 && !asker.user.empty() && !asker.is_proven)
    words = fmt::format("wrong user name or password ({})", words);
  throw Error(code_for(response.status), fmt::format("{}: {}", what, words), std::move(hint));
}

}  // namespace proa::registry
