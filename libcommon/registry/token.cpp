#include "libcommon/registry/token.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/base64.h"
#include "libcommon/base/json.h"
#include "libcommon/registry/answer.h"

namespace proa::registry {
namespace {

constexpr std::uint64_t kMaxTokenAnswer = 1 << 20;
// The protocol's default.
constexpr std::chrono::seconds kDefaultLife{60};
constexpr std::string_view kClientId = "proa";

bool is_address(std::string_view host) {
  return host.starts_with('[') || host.find_first_not_of("0123456789.") == std::string_view::npos;
}

// The number of labels that make a registrable domain: two, or three below the likes of co.uk.
std::size_t site_labels(const std::vector<std::string>& labels) {
  constexpr std::string_view kSecondLevel[] = {"ac", "co", "com", "edu", "go", "gov", "mil", "ne", "net", "or", "org"};
  if (labels.size() < 2 || labels.back().size() != 2) return 2;
  const auto& second = labels[labels.size() - 2];
  return std::ranges::find(kSecondLevel, second) != std::end(kSecondLevel) ? 3 : 2;
}

http::Request as_get(const TokenRequest& wanted) {
  http::Request request;
  request.url = wanted.realm.str();
  if (!wanted.service.empty()) request.url = http::with_query(std::move(request.url), "service", wanted.service);
  for (const auto& scope : wanted.scopes) request.url = http::with_query(std::move(request.url), "scope", scope);
  if (wanted.credentials) {
    request.url = http::with_query(std::move(request.url), "account", wanted.credentials->username);
    request.headers.emplace_back("Authorization", basic_authorization(*wanted.credentials));
  }
  return request;
}

// An identity token is a refresh token of OAuth2: it travels in the body of a POST.
http::Request as_post(const TokenRequest& wanted) {
  std::string form = "grant_type=refresh_token";
  const auto add = [&form](std::string_view key, std::string_view value) {
    form += fmt::format("&{}={}", key, http::percent_encode(value));
  };
  std::string scopes;
  for (const auto& scope : wanted.scopes) scopes += (scopes.empty() ? "" : " ") + scope;
  add("service", wanted.service);
  add("client_id", kClientId);
  if (!scopes.empty()) add("scope", scopes);
  add("refresh_token", wanted.credentials->identity_token);
  http::Request request;
  request.method = "POST";
  request.url = wanted.realm.str();
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  request.body = std::move(form);
  return request;
}

http::Response ask(const http::Client& client, const http::Request& request, const RetryPolicy& policy,
                   const std::stop_token& stop) {
  Tries tries(policy, stop);
  while (true) {
    try {
      http::Response response = client.send(request, stop);
      if (!is_passing(response.status) || !tries.again(retry_after(response))) return response;
    } catch (const http::TransferError& error) {
      if (!is_passing(error) || !tries.again()) throw;
    }
  }
}

Token decode(const std::string& body, const std::string& server) {
  const auto json = read_json(body);
  Token token;
  for (const char* name : {"token", "access_token"}) {
    if (!token.value.empty() || !json.is_object()) break;
    if (const auto at = json.find(name); at != json.end() && at->is_string()) token.value = at->get<std::string>();
  }
  // It becomes a header line.
  const bool clean = std::ranges::all_of(token.value, [](char c) { return c > ' ' && c < 0x7f; });
  if (token.value.empty() || !clean) {
    throw Error(ErrorCode::Corrupt, fmt::format("the token server {} answers without a usable token", server));
  }
  auto life = kDefaultLife;
  // 0, as some servers say for "not told", would have us ask before every request.
  if (const auto at = json.find("expires_in");
      at != json.end() && at->is_number_unsigned() && at->get<std::uint64_t>() > 0) {
    life = std::chrono::seconds(std::min<std::uint64_t>(at->get<std::uint64_t>(), 86400));
  }
  // Counted from now by our own clock: issued_at is by the server's. A tenth, at most 10 s, is kept in hand.
  token.expires = std::chrono::steady_clock::now() + life -
                  std::min<std::chrono::milliseconds>(life / 10, std::chrono::seconds(10));
  return token;
}

}  // namespace

std::string basic_authorization(const config::Credentials& credentials) {
  return "Basic " + base64_encode(credentials.username + ":" + credentials.password);
}

bool same_site(std::string_view one, std::string_view other) {
  if (is_address(one) || is_address(other)) return one == other;
  const auto a = split(one, '.');
  const auto b = split(other, '.');
  const std::size_t count = site_labels(a);
  if (a.size() < count || b.size() < count) return one == other;
  return std::equal(a.end() - static_cast<std::ptrdiff_t>(count), a.end(),
                    b.end() - static_cast<std::ptrdiff_t>(count));
}

bool may_know_credentials(const http::Url& realm, const http::Url& registry, bool verified) {
  if (registry.scheme == "https" && realm.scheme != "https") return false;
  if (realm.host == registry.host) return true;
  return verified && registry.scheme == "https" && same_site(realm.host, registry.host);
}

Token fetch_token(const http::Client& client, const TokenRequest& wanted, const RetryPolicy& policy,
                  std::stop_token stop) {
  const bool refresh = wanted.credentials && !wanted.credentials->identity_token.empty();
  const std::string server = wanted.realm.display();
  http::Response response = ask(client, refresh ? as_post(wanted) : as_get(wanted), policy, stop);
  if (response.status != 200) {
    // 400 is how OAuth2 refuses a refresh token (RFC 6749 section 5.2).
    const bool refused = response.status == 400 && refresh;
    if (refused)
      throw Error(ErrorCode::Unauthorized, fmt::format("asking {} for a token: {}", server, words_of(response)),
                  fmt::format("log in again with `proa login {}`", wanted.registry));
    throw_answer(response, fmt::format("asking {} for a token", server), wanted.registry,
                 {.user = wanted.credentials ? wanted.credentials->username : "", .is_proven = false});
  }
  return decode(io::read_all(*response.body, kMaxTokenAnswer, "answer of the token server"), server);
}

}  // namespace proa::registry
