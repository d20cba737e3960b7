#include "libcommon/http/url.h"

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::http {
namespace {

bool is_clean(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
}

// host[:port]; the host may be an IPv6 address in brackets.
bool split_authority(std::string_view authority, Url& url) {
  std::string_view host = authority;
  std::string_view port;
  const auto bracket = authority.find(']');
  const auto colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  if (host.empty() || host.starts_with('[') != host.ends_with(']')) return false;
  constexpr std::string_view kHostCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-._";
  url.host = to_lower(host);
  const std::string_view inner = host.starts_with('[') ? std::string_view{} : std::string_view{url.host};
  if (inner.find_first_not_of(kHostCharacters) != std::string_view::npos) return false;
  if (url.host.starts_with('[') && url.host.find_first_not_of("[]:.0123456789abcdef") != std::string::npos)
    return false;
  if (colon == std::string_view::npos || port.empty()) {
    url.port = url.scheme == "https" ? 443 : 80;
    return true;
  }
  const auto number = parse_integer<std::uint16_t>(port);
  url.port = number.value_or(0);
  return url.port != 0;
}

}  // namespace

std::optional<Url> Url::try_parse(std::string_view text) {
  Url url;
  const auto scheme = cut(text, "://");
  if (!scheme || !is_clean(text) || text.size() > 65536) return std::nullopt;
  url.scheme = to_lower(scheme->first);
  if (url.scheme != "http" && url.scheme != "https") return std::nullopt;
  std::string_view rest = scheme->second.substr(0, scheme->second.find('#'));
  const auto target = rest.find_first_of("/?");
  if (target != std::string_view::npos) {
    url.target = rest[target] == '?' ? "/" + std::string(rest.substr(target)) : std::string(rest.substr(target));
    rest = rest.substr(0, target);
  } else {
    url.target = "/";
  }
  if (!split_authority(rest, url)) return std::nullopt;  // an '@' (userinfo) is no host character
  return url;
}

Url Url::parse(std::string_view text) {
  if (auto url = try_parse(text)) return *std::move(url);
  // Not quoted further than the query: it may hold a secret.
  throw Error(ErrorCode::InvalidArgument,
              "invalid URL " + escape_control(text.substr(0, std::min(text.find('?'), std::size_t{200}))));
}

std::optional<Url> Url::resolve(std::string_view reference) const {
  if (reference.empty() || !is_clean(reference)) return std::nullopt;
  if (reference.starts_with("//")) return try_parse(scheme + ":" + std::string(reference));
  const auto special = reference.find_first_of(":/?#");
  if (special != std::string_view::npos && reference[special] == ':') return try_parse(reference);
  const std::string origin = scheme + "://" + authority();
  if (reference.starts_with('/')) return try_parse(origin + std::string(reference));
  const std::string path = target.substr(0, target.find('?'));
  if (reference.starts_with('?')) return try_parse(origin + path + std::string(reference));
  return try_parse(origin + path.substr(0, path.rfind('/') + 1) + std::string(reference));
}

std::string Url::authority() const { return has_default_port() ? host : host + ":" + std::to_string(port); }

std::string Url::str() const { return scheme + "://" + authority() + target; }

std::string Url::display() const {
  return escape_control(scheme + "://" + authority() + target.substr(0, target.find('?')));
}

bool Url::same_origin(const Url& other) const {
  return scheme == other.scheme && host == other.host && port == other.port;
}

bool is_loopback_host(std::string_view host) {
  if (host.starts_with("[::1]")) return true;
  const std::string name = to_lower(host.substr(0, host.find(':')));
  if (name == "localhost" || name.ends_with(".localhost")) return true;  // RFC 6761 section 6.3
  const auto parts = split(name, '.');
  return parts.size() == 4 && parts[0] == "127" && std::ranges::all_of(parts, [](const std::string& part) {
           return parse_integer<std::uint8_t>(part).has_value();
         });
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  constexpr std::string_view kUnreserved = "-._~";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (plain || kUnreserved.find(c) != std::string_view::npos) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15U];
    }
  }
  return out;
}

std::string with_query(std::string url, std::string_view key, std::string_view value) {
  const auto question = url.find('?');
  if (question == std::string::npos) {
    url += '?';
  } else if (question + 1 != url.size() && url.back() != '&') {
    url += '&';
  }
  return url + percent_encode(key) + '=' + percent_encode(value);
}

}  // namespace proa::http
