#include "libcommon/registry/session.h"

#include <fmt/core.h>

#include <map>
#include <mutex>

#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/registries.h"
#include "libcommon/http/url.h"
#include "libcommon/registry/answer.h"
#include "libcommon/registry/challenge.h"
#include "libcommon/registry/token.h"

namespace proa::registry {
namespace {

std::string api_host(const std::string& host) {
  return host == "docker.io" || host == "index.docker.io" ? "registry-1.docker.io" : host;
}

http::ClientOptions client_options(const std::string& host, const SessionOptions& options, bool verify) {
  http::ClientOptions result;
  result.tls.verify = verify;
  result.timeouts = options.timeouts;
  result.user_agent = "proa/" PROA_VERSION;
  auto certificates =
      options.cert_dir.empty() ? config::certificates_for(host) : config::certificates_in(options.cert_dir);
  result.tls.ca_files = std::move(certificates.ca_files);
  result.tls.client_certificate = std::move(certificates.client_certificate);
  result.tls.client_key = std::move(certificates.client_key);
  return result;
}

const Challenge* find_challenge(const std::vector<Challenge>& challenges, std::string_view scheme) {
  for (const auto& challenge : challenges) {
    if (challenge.scheme == scheme) return &challenge;
  }
  return nullptr;
}

// The other side does not speak TLS at all: not "its certificate is wrong", which must never lead to plain HTTP.
bool speaks_no_tls(const http::TransferError& error) {
  return error.failure() == http::Failure::Tls || error.failure() == http::Failure::Broken ||
         error.failure() == http::Failure::Connect;
}

}  // namespace

struct Session::State {
  std::string host;
  SessionOptions options;
  http::Client client;

  std::mutex mutex;  // guards what follows; held while a token is fetched, so that parallel calls share it
  std::optional<http::Url> base;
  std::vector<Challenge> challenges;
  std::map<std::string, Token> tokens;                                    // by scopes
  std::map<std::string, std::optional<config::Credentials>> credentials;  // by name

  State(std::string name, SessionOptions wanted)
      : host(std::move(name)),
        options(std::move(wanted)),
        client(client_options(host, options, options.tls_verify.value_or(true))) {}

  void connect(const std::stop_token& stop);
  void knock(const http::Url& at, const std::stop_token& stop) const;
  void ping(const http::Url& at, bool last, const std::stop_token& stop);
  std::optional<config::Credentials> credentials_for(const std::string& name);
  // Given by the caller, or stored for the repository.
  std::optional<config::Credentials> own_credentials(const std::string& repository);
  std::optional<config::Credentials> credentials_for_realm(const http::Url& realm, const std::string& repository);
  std::string authorization(const Call& call, const std::stop_token& stop);
  std::string bearer(const Challenge& challenge, const Call& call, const std::stop_token& stop);
  void renew(const Call& call, const http::Response& refusal);
  http::Url resolve(const std::string& url) const;
  http::Response send_once(Call& call, const std::stop_token& stop);
};

Session::Session(std::string host, SessionOptions options)
    : state_(std::make_unique<State>(std::move(host), std::move(options))) {}

Session::~Session() = default;

const std::string& Session::host() const { return state_->host; }

const RetryPolicy& Session::retry_policy() const { return state_->options.retry; }

const http::Timeouts& Session::timeouts() const { return state_->options.timeouts; }

// One ping settles it. A refused connection or an unknown name is told at once: waiting for a mistyped host helps
// nobody.
void Session::State::ping(const http::Url& at, bool last, const std::stop_token& stop) {
  Tries tries(options.retry, stop);
  while (true) {
    http::Request request;
    request.url = at.str();
    try {
      http::Response response = client.send(request, stop);
      if (is_passing(response.status) && tries.again(retry_after(response))) continue;
      if (response.status != 200 && response.status != 401)
        throw_answer(response, fmt::format("asking the registry {}", host), host);
      challenges = challenges_of(response.headers);
      // The ping itself may have been redirected (from a bare name to www, say); what we ask stays with the name we
      // were given.
      base = at;
      char rest[512];
      (void)io::read_full(*response.body, std::as_writable_bytes(std::span(rest)));
      return;
    } catch (const http::TransferError& error) {
      if (error.failure() != http::Failure::Broken || !last || !tries.again()) throw;
    }
  }
}

// Throws when nobody speaks TLS there. Tells and believes nothing, hence needs no authorities, which take their time to
// load.
void Session::State::knock(const http::Url& at, const std::stop_token& stop) const {
  http::Request request;
  request.url = at.str();
  (void)http::Client(client_options(host, options, false)).send(request, stop);
}

void Session::State::connect(const std::stop_token& stop) {
  if (base) return;
  const std::string authority = api_host(host);
  const bool may_be_plain = !options.tls_verify.value_or(!http::is_loopback_host(authority));
  const auto secure = http::Url::parse("https://" + authority + "/v2/");
  try {
    if (may_be_plain) knock(secure, stop);
    ping(secure, !may_be_plain, stop);
    return;
  } catch (const http::TransferError& error) {
    if (!may_be_plain || !speaks_no_tls(error)) throw;
    log::debug(fmt::format("{}: no TLS ({}), trying plain HTTP", host, error.message()));
  }
  ping(http::Url::parse("http://" + authority + "/v2/"), true, stop);
}

std::optional<config::Credentials> Session::State::credentials_for(const std::string& name) {
  const auto known = credentials.find(name);
  if (known != credentials.end()) return known->second;
  return credentials.emplace(name, config::find_credentials(name, options.auth)).first->second;
}

std::optional<config::Credentials> Session::State::own_credentials(const std::string& repository) {
  if (options.credentials) return options.credentials;
  return credentials_for(repository.empty() ? host : host + "/" + repository);
}

std::optional<config::Credentials> Session::State::credentials_for_realm(const http::Url& realm,
                                                                         const std::string& repository) {
  if (options.anonymous) return std::nullopt;
  auto own = own_credentials(repository);
  if (!own || may_know_credentials(realm, *base, options.tls_verify.value_or(true))) return own;
  log::warn(fmt::format("{} names a token server elsewhere, {}: it is not told the credentials for {}", host,
                        realm.display(), host));
  // What the user stored for that very host is meant for it.
  return realm.scheme == "https" ? credentials_for(realm.authority()) : std::nullopt;
}

std::string Session::State::bearer(const Challenge& challenge, const Call& call, const std::stop_token& stop) {
  const std::string key = join(call.scopes, " ");
  if (const auto at = tokens.find(key); at != tokens.end() && at->second.is_fresh()) return at->second.value;
  const auto realm = base->resolve(challenge.parameter("realm"));
  if (!realm) throw Error(ErrorCode::Corrupt, fmt::format("{}: its Bearer challenge names no token server", host));
  if (base->scheme == "https" && realm->scheme != "https") {
    throw Error(ErrorCode::Unavailable, fmt::format("{} names a token server without TLS: {}", host, realm->display()));
  }
  TokenRequest wanted{
      .realm = *realm, .registry = host, .service = challenge.parameter("service"), .scopes = call.scopes};
  wanted.credentials = credentials_for_realm(*realm, call.repository);
  Token token = fetch_token(client, wanted, options.retry, stop);
  return tokens.insert_or_assign(key, std::move(token)).first->second.value;
}

std::string Session::State::authorization(const Call& call, const std::stop_token& stop) {
  if (!options.registry_token.empty()) return "Bearer " + options.registry_token;
  if (const auto* challenge = find_challenge(challenges, "bearer")) return "Bearer " + bearer(*challenge, call, stop);
  if (find_challenge(challenges, "basic") == nullptr || options.anonymous) return {};
  const auto own = own_credentials(call.repository);
  return own && !own->username.empty() ? basic_authorization(*own) : std::string{};
}

// After a 401: forget the token, and learn the challenge if this is the first one that came (registries may leave /v2/
// open).
void Session::State::renew(const Call& call, const http::Response& refusal) {
  tokens.erase(join(call.scopes, " "));
  auto news = challenges_of(refusal.headers);
  if (!news.empty()) challenges = std::move(news);
}

http::Url Session::State::resolve(const std::string& text) const {
  auto url = base->resolve(text);
  if (!url) throw Error(ErrorCode::Corrupt, fmt::format("{} gives an invalid address", host));
  // Registries behind a proxy that ends TLS often name themselves with http: TLS is kept.
  if (base->scheme == "https" && url->scheme == "http") {
    if (url->host != base->host) {
      throw Error(ErrorCode::Unavailable,
                  fmt::format("{} names an address without TLS, {}: refused", host, url->display()));
    }
    url->scheme = base->scheme;
    url->port = base->port;
  }
  return *url;
}

http::Response Session::State::send_once(Call& call, const std::stop_token& stop) {
  std::string shown;
  std::optional<http::Response> refusal;
  while (true) {
    http::Request request = call.request;
    std::string value;
    {
      const std::lock_guard lock(mutex);
      connect(stop);
      const http::Url url = resolve(call.request.url);
      request.url = url.str();
      if (url.same_origin(*base)) {
        value = authorization(call, stop);
        if (!value.empty()) request.headers.emplace_back("Authorization", value);
      }
    }
    // Showing the same password again would only bring the account nearer to being locked.
    if (refusal && (value == shown || !call.resend)) return *std::move(refusal);
    http::Response response = client.send(request, stop);
    if (response.status != 401 || refusal) return response;
    const std::lock_guard lock(mutex);
    renew(call, response);
    shown = std::move(value);
    refusal = std::move(response);
  }
}

std::string Session::base_url(std::stop_token stop) {
  const std::lock_guard lock(state_->mutex);
  state_->connect(stop);
  return state_->base->scheme + "://" + state_->base->authority();
}

http::Response Session::send(Call call, std::stop_token stop) {
  Tries tries(state_->options.retry, stop);
  base_url(stop);
  while (true) {
    try {
      http::Response response = state_->send_once(call, stop);
      if (!call.resend || !is_passing(response.status)) return response;
      log::debug(fmt::format("{} answers {}", state_->host, response.status));
      if (!tries.again(retry_after(response))) return response;
    } catch (const http::TransferError& error) {
      log::debug(error.message());
      if (!call.resend || !is_passing(error) || !tries.again()) throw;
    }
  }
}

Asker Session::asker(const std::string& repository) const {
  const std::lock_guard lock(state_->mutex);
  if (state_->options.anonymous || !state_->options.registry_token.empty()) return {};
  const auto own = state_->own_credentials(repository);
  if (!own) return {};
  const std::string user = own->username.empty() ? "the owner of the stored token" : own->username;
  return {.user = user, .is_proven = find_challenge(state_->challenges, "bearer") != nullptr};
}

void Session::check_credentials(std::stop_token stop) {
  Call call;
  call.request.url = "/v2/";
  constexpr const char* kHint = "some registries want an access token in place of the password";
  http::Response response;
  try {
    response = send(std::move(call), stop);
  } catch (Error& error) {  // of a token server
    if (error.code() != ErrorCode::Unauthorized) throw;
    throw std::move(error).with_hint(kHint);
  }
  if (response.status == 401) {
    throw Error(ErrorCode::Unauthorized, fmt::format("wrong user name or password ({})", words_of(response)), kHint);
  }
  if (response.status != 200) throw_answer(response, "checking the password", state_->host, asker({}));
}

}  // namespace proa::registry
