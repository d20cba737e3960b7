// The token service a registry names in its Bearer challenge (docs/spec/auth of the distribution project; RFC 6749 for
// refresh tokens).
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "libcommon/config/auth.h"
#include "libcommon/http/client.h"
#include "libcommon/http/url.h"
#include "libcommon/registry/challenge.h"
#include "libcommon/registry/retry.h"

namespace proa::registry {

struct Token {
  std::string value;
  std::chrono::steady_clock::time_point expires;

  // Tokens are given up a little early, so that none runs out on its way.
  bool is_fresh() const { return std::chrono::steady_clock::now() < expires; }
};

// Whether the registry's credentials may be shown to the token server it names. A registry chooses any realm it likes,
// and over plain HTTP so does anyone on the way: the password goes to the registry's own host name, without losing TLS,
// or, when both speak verified TLS, to a host of the same site (docker.io: auth.docker.io; registry.gitlab.com:
// gitlab.com). Others are asked anonymously, or with credentials stored for that very host.
bool may_know_credentials(const http::Url& realm, const http::Url& registry, bool verified);
// Two hosts below one registrable domain, judged by the names alone.
bool same_site(std::string_view one, std::string_view other);

struct TokenRequest {
  http::Url realm;
  std::string registry;  // host to log in to, for the hint
  std::string service;
  std::vector<std::string> scopes;
  std::optional<config::Credentials> credentials;
};

// Throws Unauthorized when the server refuses, Unavailable, Corrupt (an answer without token).
Token fetch_token(const http::Client& client, const TokenRequest& request, const RetryPolicy& policy,
                  std::stop_token stop);

std::string basic_authorization(const config::Credentials& credentials);

}  // namespace proa::registry
