#include "libcommon/http/client.h"

#include <fmt/core.h>

#include <array>
#include <functional>
#include <mutex>

#include "libcommon/base/strings.h"
#include "libcommon/http/transfer.h"
#include "libcommon/http/url.h"

namespace proa::http {
namespace {

constexpr int kMaxRedirects = 5;
constexpr std::size_t kMaxIdle = 16;

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::string origin_of(const Url& url) { return url.scheme + "://" + url.authority(); }

}  // namespace

std::optional<std::string_view> Response::header(std::string_view name) const {
  const std::string wanted = to_lower(name);
  for (const auto& [key, value] : headers) {
    if (to_lower(key) == wanted) return value;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> Response::content_length() const {
  const auto text = header("Content-Length");
  return text ? parse_integer<std::uint64_t>(*text) : std::nullopt;
}

struct Client::Pool {
  ClientOptions options;
  std::mutex mutex;
  std::vector<std::unique_ptr<Transfer>> idle;

  // The transfer that last spoke with `origin`, since it may still be connected; else any.
  std::unique_ptr<Transfer> take(const std::string& origin) {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return std::make_unique<Transfer>();
    auto chosen = idle.end() - 1;
    for (auto at = idle.begin(); at != idle.end(); ++at) {
      if ((*at)->last_origin() == origin) chosen = at;
    }
    auto transfer = std::move(*chosen);
    idle.erase(chosen);
    return transfer;
  }

  void give_back(std::unique_ptr<Transfer> transfer) noexcept {
    transfer->finish();
    const std::lock_guard lock(mutex);
    if (idle.size() < kMaxIdle) idle.push_back(std::move(transfer));
  }
};

namespace {

// `Pool` is private to Client; the body only needs to hand its transfer back.
class Body final : public io::Source {
 public:
  Body(std::unique_ptr<Transfer> transfer, std::function<void(std::unique_ptr<Transfer>)> give_back)
      : transfer_(std::move(transfer)), give_back_(std::move(give_back)) {}
  ~Body() override {
    if (transfer_) give_back_(std::move(transfer_));
  }
  std::size_t read(io::Buffer buffer) override {
    if (!transfer_ || buffer.empty()) return 0;
    const std::size_t count = transfer_->read(buffer);
    // At the end the connection is free for the next request, however long this object lives.
    if (count == 0) give_back_(std::move(transfer_));
    return count;
  }

 private:
  std::unique_ptr<Transfer> transfer_;
  std::function<void(std::unique_ptr<Transfer>)> give_back_;
};

// Where an answer sends us, or nullopt when it is to be handed to the caller.
std::optional<Url> redirect_target(const Request& request, const Url& from, const Response& response, bool verified) {
  if (!is_redirect(response.status)) return std::nullopt;
  const auto location = response.header("Location");
  if (!location) return std::nullopt;
  auto to = from.resolve(*location);
  if (!to) {
    throw Error(ErrorCode::Unavailable,
                fmt::format("{} {}: the server redirects to an invalid address", request.method, from.display()));
  }
  const bool reads = request.method == "GET" || request.method == "HEAD";
  // A body goes to the origin it was meant for only: it may hold a secret (a refresh token).
  const bool may_send_again = (response.status == 307 || response.status == 308) && from.same_origin(*to) &&
                              !std::holds_alternative<StreamBody>(request.body);
  if (!reads && !may_send_again) return std::nullopt;
  // Signed addresses are secrets. Who does without verified TLS has given that up already.
  if (verified && from.scheme == "https" && to->scheme == "http") {
    throw Error(ErrorCode::Unavailable,
                fmt::format("{} {}: the server redirects to {} without TLS: refused", request.method, from.display(),
                            to->display()),
                "--tls-verify=false, or `insecure = true` in registries.conf, allows it");
  }
  return to;
}

void drain_a_little(io::Source& body) {
  std::array<std::byte, 16384> buffer;
  if (io::read_full(body, buffer) == buffer.size()) return;
}

}  // namespace

Client::Client(ClientOptions options) : pool_(std::make_shared<Pool>()) { pool_->options = std::move(options); }

Client::~Client() = default;

Response Client::send(const Request& request, std::stop_token stop) const {
  Url url = Url::parse(request.url);
  bool with_authorization = true;
  for (int redirects = 0;; ++redirects) {
    if (redirects > kMaxRedirects) {
      throw Error(ErrorCode::LimitExceeded,
                  fmt::format("{} {}: more than {} redirects", request.method, url.display(), kMaxRedirects));
    }
    Response response;
    auto give_back = [pool = pool_](std::unique_ptr<Transfer> transfer) { pool->give_back(std::move(transfer)); };
    auto transfer = pool_->take(origin_of(url));
    transfer->start(pool_->options, request, url, with_authorization, stop);
    response.status = transfer->status();
    response.headers = transfer->headers();
    response.url = url.str();
    response.body = std::make_unique<Body>(std::move(transfer), std::move(give_back));
    const auto next = redirect_target(request, url, response, pool_->options.tls.verify);
    if (!next) return response;
    // Once left out it stays so: a foreign host could send us back to where it learned something from.
    if (!next->same_origin(url)) with_authorization = false;
    url = *next;
    drain_a_little(*response.body);
  }
}

}  // namespace proa::http
