// Uploads: distribution-spec "Pushing blobs". Small ones go in one PUT; others as one streamed PATCH, then a PUT that
// closes.
#include <fmt/core.h>

#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/http/url.h"
#include "libcommon/registry/answer.h"
#include "libcommon/registry/sent_window.h"

namespace proa::registry {

namespace {

constexpr std::size_t kSmall = 1 << 20;
// Registries compute digests or move the bytes to other storage before they answer.
constexpr std::chrono::minutes kSlowAnswer{5};

bool is_done(int status) { return status >= 200 && status <= 299; }

// Why an upload did not go on, when another try may help.
struct Setback {
  std::exception_ptr error;
  std::optional<std::chrono::milliseconds> retry_after;
};

}  // namespace

class UploadSession {
 public:
  UploadSession(const Repository& repository, io::Source& content, const UploadPlan& plan, std::stop_token stop)
      : repository_(repository),
        plan_(plan),
        stop_(std::move(stop)),
        doing_(fmt::format("uploading {} to {}", plan.digest ? "blob " + plan.digest->str() : std::string("a blob"),
                           repository.name())),
        content_(content, plan, doing_) {}

  UploadedBlob run() {
    Tries tries(repository_.session_->retry_policy(), stop_);
    try {
      small_ = content_.read_ahead(kSmall);
      while (auto setback = try_once()) {
        const Next next = recover();
        if (next == Next::Stored) break;
        if (next == Next::GiveUp || !tries.again(setback->retry_after)) std::rethrow_exception(setback->error);
      }
    } catch (...) {
      cancel();
      throw;
    }
    return {.digest = *content_.digest(), .size = content_.size()};
  }

 private:
  std::optional<Setback> try_once();
  http::Response send(Session::Call call);
  Session::Call closing_call(bool with_content) const;
  Session::Call data_call();
  void start();
  enum class Next { TryAgain, Stored, GiveUp };
  Next recover();
  bool take_up();
  Setback setback_of(http::Response& response);
  [[noreturn]] void refuse(http::Response& response) const;
  void cancel() noexcept;
  void take_location(const http::Response& response);

  const Repository& repository_;
  UploadPlan plan_;
  std::stop_token stop_;
  std::string doing_;
  SentWindow content_;
  std::string location_;  // empty: not started
  bool small_ = false;
  bool all_sent_ = false;
};

void UploadSession::take_location(const http::Response& response) {
  if (const auto location = response.header("Location")) {
    location_ = *location;
  } else if (location_.empty()) {
    throw Error(ErrorCode::Corrupt,
                fmt::format("{}: the registry starts an upload without telling its Location", doing_));
  }
}

// "Not found" would be about an image that is wanted; here it is about a place to put one.
void UploadSession::refuse(http::Response& response) const {
  if (response.status == 404) throw Error(ErrorCode::Io, fmt::format("{}: {}", doing_, words_of(response)));
  repository_.refuse(response, doing_);
}

http::Response UploadSession::send(Session::Call call) {
  auto timeouts = repository_.session_->timeouts();
  timeouts.response = std::max<std::chrono::milliseconds>(timeouts.response, kSlowAnswer);
  call.request.timeouts = timeouts;
  return repository_.send(std::move(call), stop_);
}

void UploadSession::start() {
  auto call = repository_.make_call("POST", "blobs/uploads/");
  call.request.body = std::string{};
  auto response = repository_.send(std::move(call), stop_);
  if (response.status != 202) refuse(response);
  take_location(response);
}

Session::Call UploadSession::data_call() {
  auto call = repository_.make_call("PATCH", location_);
  http::StreamBody body{.source = &content_, .size = std::nullopt};
  if (plan_.size) body.size = *plan_.size - content_.position();
  // The first one carries the whole blob and needs no range; a later one says where it goes on.
  if (content_.position() > 0 && plan_.size) {
    call.request.headers.emplace_back("Content-Range", fmt::format("{}-{}", content_.position(), *plan_.size - 1));
  }
  call.request.headers.emplace_back("Content-Type", "application/octet-stream");
  call.request.body = body;
  call.resend = false;
  return call;
}

Session::Call UploadSession::closing_call(bool with_content) const {
  auto call = repository_.make_call("PUT", http::with_query(location_, "digest", content_.digest()->str()));
  call.request.headers.emplace_back("Content-Type", "application/octet-stream");
  call.request.body = with_content ? content_.all() : std::string{};
  // A second PUT to a closed upload is an error: after a failure recover() finds out what became of the first.
  call.resend = false;
  return call;
}

// Of an answer that another try may change: passing trouble, a token that ran out, an upload the registry forgot.
// Throws for others.
Setback UploadSession::setback_of(http::Response& response) {
  const auto delay = retry_after(response);
  try {
    refuse(response);
  } catch (const Error&) {
    if (!is_passing(response.status) && response.status != 401 && response.status != 404) throw;
    return {std::current_exception(), delay};
  }
}

// nullopt: stored. Throws what no other try would change.
std::optional<Setback> UploadSession::try_once() {
  try {
    if (location_.empty()) start();
    if (!small_ && !all_sent_) {
      auto response = send(data_call());
      if (!is_done(response.status)) return setback_of(response);
      take_location(response);
      content_.check_end();
      all_sent_ = true;
    }
    auto response = send(closing_call(small_));
    if (is_done(response.status)) return std::nullopt;
    return setback_of(response);
  } catch (const http::TransferError& error) {
    if (location_.empty() || !is_passing(error)) throw;
    log::debug(error.message());
    return Setback{std::current_exception(), std::nullopt};
  }
}

// Sets up the next try: from where the registry says that it stands, else from the start, as far as the content can be
// had again.
UploadSession::Next UploadSession::recover() {
  all_sent_ = false;
  // Was it the answer that got lost, not the blob?
  if (content_.digest() && repository_.has_blob(*content_.digest(), stop_)) return Next::Stored;
  if (!small_ && take_up()) return Next::TryAgain;
  if (!content_.rewind(0)) return Next::GiveUp;
  cancel();
  return Next::TryAgain;
}

bool UploadSession::take_up() {
  auto response = repository_.send(repository_.make_call("GET", location_), stop_);
  if (!is_done(response.status)) return false;
  const auto range = response.header("Range");  // "0-999": 1000 bytes are there
  const auto ends = range ? cut(*range, "-") : std::nullopt;
  const auto last = ends ? parse_integer<std::uint64_t>(ends->second) : std::nullopt;
  // "0-0" is also how registries say that there is nothing.
  if (!last || *last == 0 || !content_.rewind(*last + 1)) return false;
  take_location(response);
  all_sent_ = content_.digest() && content_.position() == content_.size();
  return true;
}

// Nothing stays on the registry; failing that, it removes stale uploads itself some day.
void UploadSession::cancel() noexcept {
  if (location_.empty()) return;
  try {
    auto call = repository_.make_call("DELETE", std::exchange(location_, {}));
    call.request.timeouts = http::Timeouts{
        .connect = std::chrono::seconds(2), .response = std::chrono::seconds(2), .stall = std::chrono::seconds(2)};
    call.resend = false;
    (void)repository_.send(std::move(call), {});
  } catch (const std::exception& error) {
    log::debug(error.what());
  }
}

UploadedBlob Repository::put_blob(io::Source& content, const UploadPlan& plan, std::stop_token stop) const {
  return UploadSession(*this, content, plan, std::move(stop)).run();
}

}  // namespace proa::registry
