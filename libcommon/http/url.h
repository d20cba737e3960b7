// The few things about URLs (RFC 3986) that a registry client needs: parts, origin, relative references, escaping.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proa::http {

struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; IPv6 in brackets
  std::uint16_t port = 0;
  std::string target;  // path and query, starting with '/'

  // Absolute http(s) URLs only. Userinfo, white space and control bytes are refused, a fragment is dropped.
  static std::optional<Url> try_parse(std::string_view text);
  static Url parse(std::string_view text);  // InvalidArgument

  // A Location or Link as seen from this URL (RFC 3986 section 5.2, without dot segments: servers do not send them).
  std::optional<Url> resolve(std::string_view reference) const;

  bool has_default_port() const { return port == (scheme == "https" ? 443 : 80); }
  std::string authority() const;  // host, and the port unless it is the scheme's
  std::string str() const;
  // For people: the query is left out, since signed URLs carry their secret there.
  std::string display() const;
  bool same_origin(const Url& other) const;
};

// 127.0.0.0/8, ::1, localhost. `host` may carry a port.
bool is_loopback_host(std::string_view host);

std::string percent_encode(std::string_view text);  // all but unreserved characters
// `url` with "key=value" (value encoded) added to its query.
std::string with_query(std::string url, std::string_view key, std::string_view value);

}  // namespace proa::http
