// One exchange over libcurl: no redirects, no retries. Driven by the thread that waits for it.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "libcommon/http/client.h"
#include "libcommon/http/url.h"

namespace proa::http {

// Holds a curl multi handle with a single easy handle: the multi handle keeps connections open between exchanges.
// Handles are not shared by threads (libcurl's shared connection cache is not safe for that); the pool of the client
// hands out whole transfers.
class Transfer {
 public:
  Transfer();
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // Sends the request to `url` and waits for the headers. A stream body is no longer touched when this returns.
  void start(const ClientOptions& options, const Request& request, const Url& url, bool with_authorization,
             std::stop_token stop);
  int status() const;
  const Headers& headers() const;
  // Body bytes; 0 at its end. Throws TransferError, Cancelled.
  std::size_t read(io::Buffer buffer);
  // Ends the exchange. An unfinished one costs its connection, a finished one leaves it for the next.
  void finish() noexcept;

  const std::string& last_origin() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace proa::http
