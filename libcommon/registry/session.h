// One registry host: how to reach it, who we are there, and when to try again. distribution-spec v1.1; token protocol
// of the distribution project (docs/spec/auth). Everything above it (Repository) only says what it wants.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "libcommon/config/auth.h"
#include "libcommon/http/client.h"

namespace proa::registry {

struct RetryPolicy {
  int attempts = 4;                            // of one request, the first included
  std::chrono::milliseconds first_delay{500};  // doubles, with jitter of a half
  std::chrono::milliseconds longest_delay{8000};
  std::chrono::milliseconds longest_wait{60000};  // a Retry-After beyond it, or all delays together: give up
};

struct SessionOptions {
  // nullopt: verified TLS; plain HTTP only when a loopback host does not speak TLS. false: unverified TLS or plain HTTP
  // are fine too.
  std::optional<bool> tls_verify;
  std::optional<config::Credentials> credentials;  // nullopt: those of the auth files
  bool anonymous = false;                          // look for none
  config::AuthLocation auth;
  std::string cert_dir;  // empty: certs.d folders
  http::Timeouts timeouts;
  RetryPolicy retry;
};

// Thread-safe.
class Session {
 public:
  // `host`: as in references ("docker.io", "localhost:5000").
  Session(std::string host, SessionOptions options, std::stop_token stop = {});
  ~Session();

  const std::string& host() const;
  // Asks /v2/ once: settles the scheme and learns the challenge. Throws Unavailable, or Unsupported when it is no
  // registry. Returns the base: "https://registry-1.docker.io".
  std::string base_url();
  // Does the registry accept the credentials? For login. Unauthorized when not.
  void check_credentials();

  struct Call {
    http::Request request;   // url: a path below the base, or an absolute URL of an earlier answer
    std::string scope;       // "repository:library/busybox:pull"
    std::string repository;  // for credentials of a namespace: "library/busybox"
    bool retry = true;       // false: the body cannot be sent twice
  };
  // Sends with credentials; refreshes them once on 401; tries again on 429, 5xx and broken connections as the policy
  // says. Any other status is returned.
  http::Response send(Call call);

  // Waits before try number `attempt` (1: the second one). false: no more tries. A Retry-After goes before the
  // schedule.
  bool wait_to_retry(int attempt, std::optional<std::chrono::milliseconds> retry_after = std::nullopt);
  const RetryPolicy& retry_policy() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Throws what an unwanted answer means: NotFound, Unauthorized with the way to log in, Unavailable, ... Reads the
// registry's own words from the body, at most 64 KiB of it, and escapes them. `what`: "reading manifest 1.0 in
// example.com/app".
[[noreturn]] void throw_answer(http::Response& response, std::string_view what, std::string_view host);

}  // namespace proa::registry
