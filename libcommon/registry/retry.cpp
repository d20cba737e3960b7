#include "libcommon/registry/retry.h"

#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>

#include "libcommon/base/log.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"

namespace proa::registry {

using std::chrono::milliseconds;

namespace {

constexpr std::chrono::seconds kWorthTelling{5};

// IMF-fixdate (RFC 9110 section 5.6.7).
std::optional<time_t> parse_date(std::string_view text) {
  const std::string date(text);
  tm parts{};
  const char* end = ::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return ::timegm(&parts);
}

}  // namespace

bool Tries::again(std::optional<milliseconds> retry_after) {
  if (made_ >= policy_.attempts) return false;
  auto delay = policy_.first_delay;
  for (int i = 1; i < made_ && delay < policy_.longest_delay; ++i) delay *= 2;
  delay = std::min(delay, policy_.longest_delay);
  // Clients that failed together shall not come back together.
  const auto half = delay.count() / 2;
  delay = milliseconds(half + static_cast<milliseconds::rep>(random_u64() % static_cast<std::uint64_t>(half + 1)));
  const auto left = policy_.longest_wait - waited_;
  // Who is sent away for an hour comes back once more, when our patience ends.
  if (retry_after) delay = std::max(delay, std::min(*retry_after, left));
  if (delay > left || left <= milliseconds(0)) return false;
  if (delay >= kWorthTelling)
    log::note(
        fmt::format("the registry is busy: waiting {} s", std::chrono::ceil<std::chrono::seconds>(delay).count()));
  ++made_;
  waited_ += delay;

  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop_, delay, [] { return false; });
  if (stop_.stop_requested()) throw Error(ErrorCode::Cancelled, "cancelled while waiting to try again");
  return true;
}

bool is_passing(int status) {
  return status == 408 || status == 429 || (status >= 500 && status <= 599 && status != 501 && status != 505);
}

bool is_passing(const http::TransferError& error) {
  return error.failure() != http::Failure::Certificate && error.failure() != http::Failure::Tls;
}

std::optional<milliseconds> retry_after(const http::Response& response) {
  const auto text = response.header("Retry-After");
  if (!text) return std::nullopt;
  if (const auto seconds = parse_integer<std::uint32_t>(*text)) return std::chrono::seconds(*seconds);
  const auto until = parse_date(*text);
  if (!until) return std::nullopt;
  // By the server's own clock where it tells it: ours may be off.
  const auto date = response.header("Date");
  const auto now = date ? parse_date(*date) : std::nullopt;
  return std::chrono::seconds(std::max<time_t>(0, *until - now.value_or(::time(nullptr))));
}

}  // namespace proa::registry
