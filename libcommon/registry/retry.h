// When and how long to wait before asking again.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string_view>

#include "libcommon/http/client.h"

namespace proa::registry {

struct RetryPolicy {
  int attempts = 4;                            // of one request, the first included
  std::chrono::milliseconds first_delay{500};  // doubles; the half of it is left to chance
  std::chrono::milliseconds longest_delay{8000};
  std::chrono::milliseconds longest_wait{60000};  // all delays together; a longer Retry-After is cut to what is left

  bool operator==(const RetryPolicy&) const = default;
};

// The tries of one request.
class Tries {
 public:
  Tries(const RetryPolicy& policy, std::stop_token stop) : policy_(policy), stop_(std::move(stop)) {}
  // Sleeps before the next try. false: no more. Throws Cancelled when stopped.
  bool again(std::optional<std::chrono::milliseconds> retry_after = std::nullopt);
  // Something moved: count from the start, though not the time.
  void progress() { made_ = 1; }

 private:
  RetryPolicy policy_;
  std::stop_token stop_;
  int made_ = 1;
  std::chrono::milliseconds waited_{};
};

// Worth another try: 408, 429 and 5xx but 501 and 505.
bool is_passing(int status);
bool is_passing(const http::TransferError& error);
// Retry-After in seconds or as a date (RFC 9110 section 10.2.3).
std::optional<std::chrono::milliseconds> retry_after(const http::Response& response);

}  // namespace proa::registry
