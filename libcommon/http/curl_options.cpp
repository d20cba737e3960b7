#include "libcommon/http/curl_options.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "libcommon/base/strings.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/file.h"

namespace proa::http {
namespace {

constexpr std::uint64_t kMaxCertificates = 4 << 20;

const char* environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

// A folder whose certificates are found by the hash of their subject (openssl-rehash(1)).
bool is_hashed_folder(const char* path) {
  if (path == nullptr || !os::exists(path)) return false;
  const auto names = os::list_dir(path);
  return std::ranges::any_of(names, [](const std::string& name) {
    return name.size() == 10 && name.ends_with(".0") && is_hex(name.substr(0, 8));
  });
}

// Both a bundle and a hashed folder hold the system's authorities. With the folder, OpenSSL reads the one certificate
// that it needs; a bundle it reads as a whole, for every connection anew: some 20 ms. Extra authorities are given as a
// blob beside the folder; where there is none, the blob takes the bundle's place and so has to hold it, too.
void set_authorities(CURL* easy, const Tls& tls) {
  const curl_version_info_data* info = curl_version_info(CURLVERSION_NOW);
  const char* bundle = environment("SSL_CERT_FILE");
  const char* folder = environment("SSL_CERT_DIR");
  if (folder == nullptr && bundle == nullptr && is_hashed_folder(info->capath)) folder = info->capath;
  if (folder != nullptr) check(curl_easy_setopt(easy, CURLOPT_CAPATH, folder));
  if (folder != nullptr || bundle != nullptr) check(curl_easy_setopt(easy, CURLOPT_CAINFO, bundle));
  if (tls.ca_files.empty()) return;

  std::string pem;
  for (const auto& file : tls.ca_files) pem += os::read_file(file, kMaxCertificates) + "\n";
  const char* system = bundle == nullptr && folder == nullptr ? info->cainfo : bundle;
  if (system != nullptr) {
    if (auto text = os::try_read_file(system, kMaxCertificates)) pem += *text;
  }
  curl_blob blob{pem.data(), pem.size(), CURL_BLOB_COPY};
  check(curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob));
}

void set_tls(CURL* easy, const Tls& tls) {
  check(curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2)));
  check(curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls.verify ? 1L : 0L));
  check(curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls.verify ? 2L : 0L));
  if (tls.verify) set_authorities(easy, tls);
  if (!tls.client_certificate.empty()) {
    check(curl_easy_setopt(easy, CURLOPT_SSLCERT, tls.client_certificate.c_str()));
    check(curl_easy_setopt(easy, CURLOPT_SSLKEY, tls.client_key.c_str()));
  }
}

// libcurl reads http_proxy, https_proxy, HTTPS_PROXY and no_proxy itself. HTTP_PROXY it leaves out, since a CGI program
// would get it from a request header; the other tools of this field take it, with that exception.
void set_proxy(CURL* easy, const Url& url) {
  if (is_loopback_host(url.host)) {
    check(curl_easy_setopt(easy, CURLOPT_NOPROXY, "*"));
  } else if (url.scheme == "http" && environment("http_proxy") == nullptr && environment("REQUEST_METHOD") == nullptr) {
    if (const char* proxy = environment("HTTP_PROXY")) check(curl_easy_setopt(easy, CURLOPT_PROXY, proxy));
  }
}

Failure failure_of(int code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return Failure::Resolve;
    case CURLE_COULDNT_CONNECT:
      return Failure::Connect;
    case CURLE_OPERATION_TIMEDOUT:
      return Failure::Timeout;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return Failure::Certificate;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
      return Failure::Tls;
    default:
      return Failure::Broken;
  }
}

std::string hint_for(Failure failure, bool alerted, const Url& url) {
  switch (failure) {
    case Failure::Resolve:
      return "check the name, the network and its DNS";
    case Failure::Connect:
      return "is the server running, and does the network let us reach it?";
    case Failure::Timeout:
      return "the server or the network is too slow; try again later";
    case Failure::Certificate:
      if (alerted) {
        return fmt::format("a client certificate belongs in /etc/containers/certs.d/{}: client.cert and client.key",
                           url.authority());
      }
      return fmt::format(
          "a private authority belongs in /etc/containers/certs.d/{}/ca.crt; --tls-verify=false does without",
          url.authority());
    case Failure::Tls:
      return "a server without TLS needs --tls-verify=false or `insecure = true` in registries.conf";
    case Failure::Broken:
      break;
  }
  return {};
}

}  // namespace

void check(int code) {
  if (code == CURLE_OK) return;
  throw Error(ErrorCode::Unsupported,
              std::string("libcurl refuses an option: ") + curl_easy_strerror(static_cast<CURLcode>(code)));
}

void set_common_options(void* easy, const ClientOptions& options, const Url& url, const Timeouts& timeouts) {
  check(curl_easy_setopt(easy, CURLOPT_URL, url.str().c_str()));
  check(curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https"));
  check(curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS)));
  check(curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L));
  check(curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L));
  check(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
  check(curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L));
  // A digest is of the bytes as stored: an unasked Content-Encoding stays on.
  check(curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L));
  check(curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10));
  check(curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10));
  check(curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L));
  check(curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(timeouts.connect.count())));
  if (!options.user_agent.empty()) check(curl_easy_setopt(easy, CURLOPT_USERAGENT, options.user_agent.c_str()));
  if (url.scheme == "https") set_tls(easy, options.tls);
  if (options.unix_socket.empty()) {
    set_proxy(easy, url);
  } else {
    check(curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, options.unix_socket.c_str()));
  }
}

void throw_transfer_error(int code, long os_error, const char* detail, const std::string& method, const Url& url) {
  std::string reason = detail != nullptr && *detail != '\0' ? detail : curl_easy_strerror(static_cast<CURLcode>(code));
  // An alert comes from a peer that speaks TLS, only not with us as we are.
  const bool alerted = (code == CURLE_SSL_CONNECT_ERROR || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR) &&
                       reason.find(" alert ") != std::string::npos;
  const Failure failure = alerted ? Failure::Certificate : failure_of(code);
  if (failure == Failure::Resolve)
    reason = code == CURLE_COULDNT_RESOLVE_PROXY ? "the name of the proxy is not known" : "no such host";
  if (failure == Failure::Connect && os_error != 0) reason = errno_text(static_cast<int>(os_error));
  throw TransferError(failure, fmt::format("{} {}: {}", method, url.display(), escape_control(trim(reason))),
                      hint_for(failure, alerted, url));
}

SigpipeGuard::SigpipeGuard() noexcept {
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  sigset_t pending;
  sigpending(&pending);
  was_pending_ = sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe, &before_);
}

SigpipeGuard::~SigpipeGuard() {
  sigset_t pending;
  sigpending(&pending);
  if (!was_pending_ && sigismember(&pending, SIGPIPE) == 1) {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    const timespec now{};
    sigtimedwait(&pipe, nullptr, &now);
  }
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace proa::http
