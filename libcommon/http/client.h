// HTTP requests over libcurl, the only place that knows it: HTTP/2 where a TLS server agrees to it, else HTTP/1.1.
// Bodies are pulled by the caller's own thread: whoever does not read holds the server back by TCP, so memory stays
// flat. Each exchange has a connection of its own: blobs that shared one would share its window, too.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "libcommon/base/error.h"
#include "libcommon/io/stream.h"

namespace proa::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Tls {
  bool verify = true;
  std::vector<std::string> ca_files;  // PEM, in addition to those of the system
  std::string client_certificate;     // PEM; empty: none
  std::string client_key;
};

struct Timeouts {
  std::chrono::milliseconds connect{15000};   // name, TCP, TLS handshake
  std::chrono::milliseconds response{30000};  // from the last byte sent to the end of the headers
  // While a body moves: in every such span of waiting at least `minimum_bytes` must pass. Time the caller spends
  // elsewhere is not counted.
  std::chrono::milliseconds stall{30000};
  std::uint64_t minimum_bytes = 4096;

  bool operator==(const Timeouts&) const = default;
};

// A body that is read once while it is sent.
struct StreamBody {
  io::Source* source = nullptr;
  std::optional<std::uint64_t> size;  // nullopt: chunked transfer coding
};

struct Request {
  std::string method = "GET";
  std::string url;
  Headers headers;
  std::variant<std::monostate, std::string, StreamBody> body;
  std::optional<Timeouts> timeouts;  // nullopt: the client's
};

struct Response {
  int status = 0;
  Headers headers;  // of the last response; names as sent
  std::string url;  // where it came from after redirects
  std::unique_ptr<io::Source>
      body;  // never null; throws Unavailable when the connection breaks or the length is not the announced one

  // First header of that name, any case.
  std::optional<std::string_view> header(std::string_view name) const;
  std::optional<std::uint64_t> content_length() const;
};

struct ClientOptions {
  Tls tls;
  Timeouts timeouts;
  std::string user_agent;
  std::string unix_socket = {};  // not empty: every request goes there, whatever host its URL names
};

// Why a request got no answer. Code Unavailable (Cancelled when stopped, LimitExceeded for a header block above 64
// KiB).
enum class Failure { Resolve, Connect, Tls, Certificate, Timeout, Broken };
class TransferError final : public Error {
 public:
  TransferError(Failure failure, std::string message, std::string hint)
      : Error(ErrorCode::Unavailable, std::move(message), std::move(hint)), failure_(failure) {}
  Failure failure() const { return failure_; }

 private:
  Failure failure_;
};

// Thread-safe; connections are kept and reused. Proxies come from the usual variables (never for loopback hosts).
class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();  // responses may outlive it
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Sends and waits for the headers. Any status is an answer, not an error. Redirects of GET and HEAD (and 307/308 of
  // string bodies on the same origin) are followed, at most 5: Authorization is left out for another scheme, host or
  // port; https to http is refused where TLS is verified.
  Response send(const Request& request, std::stop_token stop = {}) const;

 private:
  struct Pool;
  std::shared_ptr<Pool> pool_;
};

}  // namespace proa::http
