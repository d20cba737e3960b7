// Shared by the files that touch libcurl; not for others. `easy` is a CURL*, `code` a CURLcode.
#pragma once

#include <signal.h>

#include <exception>
#include <string>

#include "libcommon/http/client.h"
#include "libcommon/http/url.h"

namespace proa::http {

// What all our requests have in common: protocols, TLS, proxies. Nothing that depends on one request.
void set_common_options(void* easy, const ClientOptions& options, const Url& url, const Timeouts& timeouts);

// The error for a failed exchange. `detail`: libcurl's own words, may be empty.
[[noreturn]] void throw_transfer_error(int code, long os_error, const char* detail, const std::string& method,
                                       const Url& url);

// Of curl_easy_setopt: throws unless it is CURLE_OK.
void check(int code);

// Keeps SIGPIPE of TLS connections from ending the program: blocked for this thread, and eaten when one came
// (CURLOPT_NOSIGNAL leaves it to us, and libcurl's own way, switching the handler of the process, is not safe with
// threads).
class SigpipeGuard {
 public:
  SigpipeGuard() noexcept;
  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;
  ~SigpipeGuard();

 private:
  sigset_t before_;
  bool was_pending_ = false;
};

}  // namespace proa::http
