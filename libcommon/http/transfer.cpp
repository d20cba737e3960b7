#include "libcommon/http/transfer.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include "libcommon/base/strings.h"
#include "libcommon/http/curl_options.h"

namespace proa::http {
namespace {

constexpr std::size_t kMaxHeaderBytes = 64 << 10;
constexpr std::size_t kBodyWindow = 256 << 10;
using Clock = std::chrono::steady_clock;

bool may_pass(const std::pair<std::string, std::string>& header) {
  return (header.first + header.second).find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos;
}

}  // namespace

struct Transfer::State {
  struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  CURLM* multi = nullptr;
  CURL* easy = nullptr;
  bool active = false;
  std::string origin;

  // of the present exchange
  std::string method;
  Url url;
  Timeouts timeouts;
  std::stop_token stop;
  std::unique_ptr<curl_slist, FreeList> header_list;
  std::array<char, CURL_ERROR_SIZE> error_text{};
  std::string text_body;
  std::size_t text_at = 0;
  io::Source* source = nullptr;
  std::optional<std::uint64_t> left_to_send;  // of a body whose size is known
  bool sent = false;                          // the whole request
  int status = 0;
  Headers headers;
  std::size_t header_bytes = 0;
  bool headers_done = false;
  bool abandoned = false;         // the server answered before it had the body, and the body may be gone by now
  std::vector<std::byte> window;  // body bytes that arrived and were not read
  std::size_t window_at = 0;
  bool paused = false;
  bool done = false;
  CURLcode result = CURLE_OK;
  std::exception_ptr failure;  // of a callback
  bool connected = false;
  std::uint64_t moved = 0;  // bytes, either way

  // time limits: `waited` adds up only what was spent in poll
  std::chrono::nanoseconds waited{};
  std::uint64_t moved_before = 0;
  bool was_sent = false;

  State();
  ~State();
  void reset() noexcept;
  void prepare(const ClientOptions& options, const Request& request, bool with_authorization);
  void set_headers(const Request& request, bool with_authorization);
  void set_body(const Request& request);
  void perform();
  void wait();
  void check_time(std::chrono::nanoseconds spent);
  [[noreturn]] void fail();
  [[noreturn]] void time_out(std::chrono::milliseconds limit, std::string_view what);
  void on_header(std::string_view line);
  std::size_t on_upload(io::Buffer buffer);

  static std::size_t write_callback(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t header_callback(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t read_callback(char* data, std::size_t size, std::size_t count, void* self);
  static int seek_callback(void* self, curl_off_t offset, int origin);
  static int connected_callback(void* self, char*, char*, int, int);
};

Transfer::State::State() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  multi = curl_multi_init();
  easy = curl_easy_init();
  if (multi == nullptr || easy == nullptr) throw Error(ErrorCode::Internal, "libcurl: out of memory");
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 4L);
  window.reserve(kBodyWindow + 2 * CURL_MAX_WRITE_SIZE);
}

Transfer::State::~State() {
  const SigpipeGuard guard;
  if (active) curl_multi_remove_handle(multi, easy);
  if (easy != nullptr) curl_easy_cleanup(easy);
  if (multi != nullptr) curl_multi_cleanup(multi);
}

void Transfer::State::reset() noexcept {
  const SigpipeGuard guard;
  if (active) curl_multi_remove_handle(multi, easy);  // closes the connection unless the exchange is complete
  active = false;
  curl_easy_reset(easy);
  stop = {};
  header_list.reset();
  text_body.clear();
  text_at = 0;
  source = nullptr;
  left_to_send.reset();
  sent = abandoned = headers_done = paused = done = connected = was_sent = false;
  status = 0;
  headers.clear();
  header_bytes = 0;
  window.clear();
  window_at = 0;
  result = CURLE_OK;
  failure = nullptr;
  moved = moved_before = 0;
  waited = {};
  error_text.fill('\0');
}

void Transfer::State::prepare(const ClientOptions& options, const Request& request, bool with_authorization) {
  set_common_options(easy, options, url, timeouts);
  check(curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text.data()));
  check(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &write_callback));
  check(curl_easy_setopt(easy, CURLOPT_WRITEDATA, this));
  check(curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &header_callback));
  check(curl_easy_setopt(easy, CURLOPT_HEADERDATA, this));
  check(curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &connected_callback));
  check(curl_easy_setopt(easy, CURLOPT_PREREQDATA, this));
  set_body(request);
  set_headers(request, with_authorization);
}

void Transfer::State::set_headers(const Request& request, bool with_authorization) {
  // "Name:" takes back what libcurl would add. We know from earlier answers whether a body is welcome: no waiting for
  // 100 Continue.
  std::vector<std::string> lines{"Expect:"};
  bool typed = false;
  for (const auto& header : request.headers) {
    PROA_CHECK(may_pass(header));
    const std::string name = to_lower(header.first);
    if (name == "authorization" && !with_authorization) continue;
    typed = typed || name == "content-type";
    lines.push_back(header.first + ": " + header.second);
  }
  if (!typed) lines.emplace_back("Content-Type:");
  for (const auto& line : lines) {
    curl_slist* longer = curl_slist_append(header_list.get(), line.c_str());
    if (longer == nullptr) throw Error(ErrorCode::Internal, "libcurl: out of memory");
    (void)header_list.release();
    header_list.reset(longer);
  }
  check(curl_easy_setopt(easy, CURLOPT_HTTPHEADER, header_list.get()));
}

void Transfer::State::set_body(const Request& request) {
  if (const auto* stream = std::get_if<StreamBody>(&request.body)) {
    source = stream->source;
    left_to_send = stream->size;
    sent = left_to_send == 0;
    check(curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L));
    check(curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
                           stream->size ? static_cast<curl_off_t>(*stream->size) : curl_off_t{-1}));
  } else if (const auto* text = std::get_if<std::string>(&request.body)) {
    text_body = *text;
    left_to_send = text_body.size();
    check(curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L));
    check(curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(text_body.size())));
    check(curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, &seek_callback));
    check(curl_easy_setopt(easy, CURLOPT_SEEKDATA, this));
    sent = text_body.empty();
  } else {
    sent = true;
    if (request.method == "HEAD") check(curl_easy_setopt(easy, CURLOPT_NOBODY, 1L));
  }
  if (!std::holds_alternative<std::monostate>(request.body)) {
    check(curl_easy_setopt(easy, CURLOPT_READFUNCTION, &read_callback));
    check(curl_easy_setopt(easy, CURLOPT_READDATA, this));
  }
  if (request.method != "HEAD" && request.method != "GET")
    check(curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str()));
}

void Transfer::State::perform() {
  int running = 0;
  CURLMcode code = CURLM_OK;
  {
    const SigpipeGuard guard;
    if (paused) {
      paused = false;
      curl_easy_pause(easy, CURLPAUSE_CONT);
    }
    code = curl_multi_perform(multi, &running);
  }
  if (code != CURLM_OK) throw Error(ErrorCode::Internal, fmt::format("libcurl: {}", curl_multi_strerror(code)));
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    done = true;
    result = message->data.result;
  }
}

void Transfer::State::wait() {
  if (stop.stop_requested()) throw Error(ErrorCode::Cancelled, fmt::format("{} {}: cancelled", method, url.display()));
  const auto before = Clock::now();
  // Wakes up by itself now and then so that a limit is noticed on a silent connection.
  const CURLMcode code = curl_multi_poll(multi, nullptr, 0, 250, nullptr);
  if (code != CURLM_OK) throw Error(ErrorCode::Internal, fmt::format("libcurl: {}", curl_multi_strerror(code)));
  check_time(Clock::now() - before);
}

void Transfer::State::check_time(std::chrono::nanoseconds spent) {
  if (!connected) return;  // libcurl holds us to the connect time-out
  if (sent && !was_sent) {
    was_sent = true;
    waited = {};
    moved_before = moved;
  }
  waited += spent;
  if (sent && !headers_done) {
    if (waited > timeouts.response) time_out(timeouts.response, "no answer");
    return;
  }
  if (moved - moved_before >= timeouts.minimum_bytes) {
    moved_before = moved;
    waited = {};
  } else if (waited > timeouts.stall) {
    time_out(timeouts.stall, moved == moved_before ? "nothing moved" : "hardly anything moved");
  }
}

void Transfer::State::time_out(std::chrono::milliseconds limit, std::string_view what) {
  throw TransferError(
      Failure::Timeout,
      fmt::format("{} {}: {} for {:.3g} s", method, url.display(), what, static_cast<double>(limit.count()) / 1000),
      "the server or the network is too slow; try again later");
}

void Transfer::State::fail() {
  if (failure) std::rethrow_exception(failure);
  long os_error = 0;
  curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
  throw_transfer_error(result, os_error, error_text.data(), method, url);
}

void Transfer::State::on_header(std::string_view line) {
  if (headers_done) return;  // trailers of a chunked body
  header_bytes += line.size();
  if (header_bytes > kMaxHeaderBytes) {
    throw Error(ErrorCode::LimitExceeded,
                fmt::format("{} {}: the header block is larger than 64 KiB", method, url.display()));
  }
  if (line.starts_with("HTTP/")) {
    headers.clear();
    const auto space = line.find(' ');
    status = space == std::string_view::npos ? 0 : parse_integer<int>(trim(line.substr(space + 1, 3))).value_or(0);
  } else if (trim(line).empty()) {
    headers_done = status >= 200;
  } else if (const auto pair = cut(line, ":")) {
    headers.emplace_back(trim(pair->first), trim(pair->second));
  }
}

std::size_t Transfer::State::on_upload(io::Buffer buffer) {
  if (left_to_send)
    buffer = buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), *left_to_send)));
  std::size_t count = 0;
  if (source != nullptr) {
    count = source->read(buffer);
  } else {
    count = std::min(buffer.size(), text_body.size() - text_at);
    std::memcpy(buffer.data(), text_body.data() + text_at, count);
    text_at += count;
  }
  if (left_to_send) *left_to_send -= count;
  sent = count == 0 || left_to_send == 0;
  return count;
}

std::size_t Transfer::State::write_callback(char* data, std::size_t size, std::size_t count, void* self) {
  auto& state = *static_cast<State*>(self);
  const std::size_t bytes = size * count;
  if (state.window.size() >= kBodyWindow) {
    state.paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  try {
    state.window.insert(state.window.end(), begin, begin + bytes);
  } catch (...) {
    state.failure = std::current_exception();
    return 0;
  }
  state.moved += bytes;
  return bytes;
}

std::size_t Transfer::State::header_callback(char* data, std::size_t size, std::size_t count, void* self) {
  auto& state = *static_cast<State*>(self);
  try {
    state.on_header({data, size * count});
  } catch (...) {
    state.failure = std::current_exception();
    return 0;
  }
  state.moved += size * count;
  return size * count;
}

std::size_t Transfer::State::read_callback(char* data, std::size_t size, std::size_t count, void* self) {
  auto& state = *static_cast<State*>(self);
  if (state.abandoned) return CURL_READFUNC_ABORT;
  try {
    const std::size_t bytes = state.on_upload({reinterpret_cast<std::byte*>(data), size * count});
    state.moved += bytes;
    return bytes;
  } catch (...) {
    state.failure = std::current_exception();
    return CURL_READFUNC_ABORT;
  }
}

int Transfer::State::seek_callback(void* self, curl_off_t offset, int origin) {
  auto& state = *static_cast<State*>(self);
  if (origin != SEEK_SET || offset < 0 || static_cast<std::size_t>(offset) > state.text_body.size())
    return CURL_SEEKFUNC_FAIL;
  state.text_at = static_cast<std::size_t>(offset);
  state.left_to_send = state.text_body.size() - state.text_at;
  return CURL_SEEKFUNC_OK;
}

int Transfer::State::connected_callback(void* self, char*, char*, int, int) {
  static_cast<State*>(self)->connected = true;
  return CURL_PREREQFUNC_OK;
}

Transfer::Transfer() : state_(std::make_unique<State>()) {}

Transfer::~Transfer() = default;

void Transfer::start(const ClientOptions& options, const Request& request, const Url& url, bool with_authorization,
                     std::stop_token stop) {
  State& s = *state_;
  s.reset();
  s.method = request.method;
  s.url = url;
  s.timeouts = request.timeouts.value_or(options.timeouts);
  s.stop = std::move(stop);
  s.origin = url.scheme + "://" + url.authority();
  s.prepare(options, request, with_authorization);
  if (curl_multi_add_handle(s.multi, s.easy) != CURLM_OK)
    throw Error(ErrorCode::Internal, "libcurl: cannot start a request");
  s.active = true;

  const std::stop_callback wake(s.stop, [multi = s.multi] { curl_multi_wakeup(multi); });
  for (s.perform(); !s.done; s.perform()) {
    // The source of a stream body belongs to the caller: it must be at its end, or given up by an early refusal, before
    // we return.
    if (s.headers_done && (s.sent || s.status >= 400)) break;
    s.wait();
  }
  s.source = nullptr;
  s.abandoned = !s.sent;
  if (!s.headers_done && !s.done) throw Error(ErrorCode::Internal, "libcurl: no headers");
  if (!s.headers_done) s.fail();
}

int Transfer::status() const { return state_->status; }
const Headers& Transfer::headers() const { return state_->headers; }

std::size_t Transfer::read(io::Buffer buffer) {
  State& s = *state_;
  if (s.window_at == s.window.size()) {
    s.window.clear();
    s.window_at = 0;
    const std::stop_callback wake(s.stop, [multi = s.multi] { curl_multi_wakeup(multi); });
    while (s.window.empty() && !s.done) {
      s.perform();
      if (s.window.empty() && !s.done) s.wait();
    }
  }
  const std::size_t count = std::min(buffer.size(), s.window.size() - s.window_at);
  if (count == 0 && (s.result != CURLE_OK || s.failure)) s.fail();
  std::memcpy(buffer.data(), s.window.data() + s.window_at, count);
  s.window_at += count;
  return count;
}

void Transfer::finish() noexcept { state_->reset(); }
const std::string& Transfer::last_origin() const { return state_->origin; }

}  // namespace proa::http
