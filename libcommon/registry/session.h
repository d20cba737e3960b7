// One registry host: how to reach it, who we are there, and when to try again. distribution-spec v1.1; token protocol
// of the distribution project. What is above it (Repository) only says what it wants.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "libcommon/config/auth.h"
#include "libcommon/http/client.h"
#include "libcommon/registry/answer.h"
#include "libcommon/registry/retry.h"

namespace proa::registry {

struct SessionOptions {
  // nullopt: verified TLS; plain HTTP only where a loopback host does not speak TLS. false: unverified TLS or plain
  // HTTP will do, too.
  std::optional<bool> tls_verify;
  std::optional<config::Credentials> credentials;  // nullopt: those of the auth files
  bool anonymous = false;                          // use none
  std::string registry_token;                      // sent as Bearer as it is; empty: none
  config::AuthLocation auth;
  std::string cert_dir;  // empty: the certs.d folders
  http::Timeouts timeouts;
  RetryPolicy retry;

  bool operator==(const SessionOptions&) const = default;
};

// Thread-safe. Credentials and tokens go to this host, and to the token server under the rules of token.h; nowhere
// else.
class Session {
 public:
  // `host`: as in references ("docker.io", "localhost:5000").
  Session(std::string host, SessionOptions options);
  ~Session();

  const std::string& host() const;
  const RetryPolicy& retry_policy() const;
  const http::Timeouts& timeouts() const;
  // The registry's address, found out on first use by asking /v2/: "https://registry-1.docker.io".
  std::string base_url(std::stop_token stop = {});
  // As whom a repository ("library/busybox", empty: none) is asked.
  Asker asker(const std::string& repository) const;
  // Does the registry take the credentials? For login. Unauthorized when not.
  void check_credentials(std::stop_token stop = {});

  struct Call {
    http::Request request;                 // url: a path on the registry, or an absolute URL it gave us
    std::vector<std::string> scopes = {};  // "repository:library/busybox:pull"
    std::string repository = {};           // "library/busybox": credentials may be stored for a namespace
    bool resend = true;                    // false: the body cannot be sent twice; every answer comes back at once
  };
  // Sends with credentials, renews them once on 401, tries again on 429, 5xx and broken connections as the policy says.
  // Any other status is an answer.
  http::Response send(Call call, std::stop_token stop);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace proa::registry
