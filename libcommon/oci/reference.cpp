#include "libcommon/oci/reference.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/glob.h"
#include "libcommon/base/strings.h"

namespace proa::oci {
namespace {

constexpr std::string_view kDefaultDomain = "docker.io";
constexpr std::string_view kLegacyDomain = "index.docker.io";
constexpr std::string_view kOfficialPrefix = "library/";
constexpr std::size_t kMaxPathLength = 255;
constexpr std::size_t kMaxTagLength = 128;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || is_digit(c); }
bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }
bool is_hex_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

template <typename Predicate>
bool all(std::string_view text, Predicate predicate) {
  return !text.empty() && std::all_of(text.begin(), text.end(), predicate);
}

// Letters, digits and inner hyphens, joined by dots.
bool is_host_name(std::string_view text) {
  for (const auto& part : split(text, '.')) {
    if (!all(part, [](char c) { return is_alnum(c) || c == '-'; }) || part.front() == '-' || part.back() == '-')
      return false;
  }
  return true;
}

// host, host:port, [ipv6] or [ipv6]:port.
bool is_domain(std::string_view text) {
  std::string_view host = text;
  std::string_view port;
  auto colon = text.rfind(':');
  auto bracket = text.rfind(']');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (!all(port, is_digit)) return false;
  }
  if (host.starts_with('[')) {
    return host.size() > 2 && host.ends_with(']') &&
           all(host.substr(1, host.size() - 2), [](char c) { return is_hex_digit(c) || c == ':'; });
  }
  return is_host_name(host);
}

// Runs of lower-case letters and digits, joined by one of "." "_" "__" or any number of hyphens.
bool is_path_component(std::string_view text) {
  std::size_t at = 0;
  auto run = [&](auto predicate) {
    std::size_t start = at;
    while (at < text.size() && predicate(text[at])) ++at;
    return at - start;
  };
  if (run(is_lower_alnum) == 0) return false;
  while (at < text.size()) {
    char separator = text[at];
    std::size_t count = run([&](char c) { return c == separator; });
    bool allowed = separator == '-' || (separator == '.' && count == 1) || (separator == '_' && count <= 2);
    if (!allowed || run(is_lower_alnum) == 0) return false;
  }
  return true;
}

bool is_path(std::string_view text) {
  auto parts = split(text, '/');
  return std::all_of(parts.begin(), parts.end(), [](const std::string& part) { return is_path_component(part); });
}

bool is_tag(std::string_view text) {
  if (text.empty() || text.size() > kMaxTagLength || text[0] == '.' || text[0] == '-') return false;
  return all(text, [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

struct Parts {
  std::string_view domain, path;
  std::optional<std::string_view> tag, digest;
};

std::optional<Parts> take_apart(std::string_view text) {
  Parts parts;
  if (auto at = cut(text, "@")) {
    text = at->first;
    parts.digest = at->second;
  }
  auto slash = text.rfind('/');
  auto colon = text.find(':', slash == std::string_view::npos ? 0 : slash);
  if (colon != std::string_view::npos) {
    parts.tag = text.substr(colon + 1);
    text = text.substr(0, colon);
    if (!is_tag(*parts.tag)) return std::nullopt;
  }
  auto at = cut(text, "/");
  if (at && is_domain(at->first) && is_path(at->second)) {
    parts.domain = at->first;
    parts.path = at->second;
  } else if (is_path(text)) {
    parts.path = text;
  } else {
    return std::nullopt;
  }
  return parts;
}

[[noreturn]] void refuse_reference(std::string_view text, std::string_view reason) {
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("invalid reference \"{}\": {}", escape_control(text.substr(0, 300)), reason));
}

bool is_image_id(std::string_view text) { return text.size() == 64 && is_hex(text); }

}  // namespace

Reference Reference::parse(std::string_view text) {
  if (text.empty()) refuse_reference(text, "the name is empty");
  auto parts = take_apart(text);
  if (!parts) {
    if (take_apart(to_lower(text))) refuse_reference(text, "the repository name must be lower case");
    refuse_reference(text, "expected [HOST[:PORT]/]NAME[:TAG][@DIGEST]");
  }
  if (parts->path.size() > kMaxPathLength) refuse_reference(text, "the repository name is longer than 255 characters");
  Reference reference;
  reference.domain_ = parts->domain;
  reference.path_ = parts->path;
  if (parts->tag) reference.tag_ = *parts->tag;
  if (parts->digest) {
    reference.digest_ = Digest::try_parse(*parts->digest);
    if (!reference.digest_) refuse_reference(text, "the digest is malformed or of an unknown algorithm");
  }
  return reference;
}

Reference Reference::parse_name(std::string_view text) {
  Reference reference = parse(text);
  if (reference.tag_ || reference.digest_) refuse_reference(text, "a tag or digest is not allowed here");
  return reference;
}

Reference Reference::parse_normalized(std::string_view text) {
  if (is_image_id(text)) refuse_reference(text, "64 hex digits are an image ID, not a name");
  std::string_view domain = kDefaultDomain;
  std::string rest(text);
  if (auto at = cut(text, "/")) {
    auto [first, remote] = *at;
    if (first == kLegacyDomain) {
      rest = remote;
    } else if (first == "localhost" || first.find_first_of(".:") != std::string_view::npos ||
               to_lower(first) != first) {
      // Only what looks like a host is one: docker's rule, by which "a/b" is of docker.io.
      domain = first;
      rest = remote;
    }
  }
  if (domain == kDefaultDomain && rest.find('/') == std::string::npos) rest.insert(0, kOfficialPrefix);
  auto end_of_name = rest.find(':');
  if (to_lower(rest.substr(0, end_of_name)) != rest.substr(0, end_of_name)) {
    refuse_reference(text, "the repository name must be lower case");
  }
  try {
    return parse(fmt::format("{}/{}", domain, rest));
  } catch (const Error& error) {
    // Name what was typed, not what it was expanded to.
    auto reason = cut_last(error.message(), "\": ");
    refuse_reference(text, reason ? reason->second : error.message());
  }
}

std::string Reference::name() const { return domain_.empty() ? path_ : domain_ + "/" + path_; }

std::string Reference::str() const {
  std::string text = name();
  if (tag_) text += ":" + *tag_;
  if (digest_) text += "@" + digest_->str();
  return text;
}

std::string Reference::familiar_name() const {
  if (domain_ != kDefaultDomain) return name();
  if (path_.starts_with(kOfficialPrefix) && std::count(path_.begin(), path_.end(), '/') == 1) {
    return path_.substr(kOfficialPrefix.size());
  }
  return path_;
}

std::string Reference::familiar() const { return familiar_name() + str().substr(name().size()); }

Reference Reference::with_tag(std::string tag) const {
  if (!is_tag(tag)) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("invalid tag \"{}\"", escape_control(tag.substr(0, 160))));
  }
  Reference reference = *this;
  reference.tag_ = std::move(tag);
  return reference;
}

Reference Reference::with_digest(Digest digest) const {
  Reference reference = *this;
  reference.digest_ = std::move(digest);
  return reference;
}

Reference Reference::without_tag() const {
  Reference reference = *this;
  reference.tag_.reset();
  return reference;
}

Reference Reference::without_tag_and_digest() const {
  Reference reference = without_tag();
  reference.digest_.reset();
  return reference;
}

Reference Reference::with_default_tag() const { return tag_ || digest_ ? *this : with_tag("latest"); }

bool Reference::matches(std::string_view pattern) const {
  auto whole = glob_match(pattern, familiar());
  if (!whole) throw Error(ErrorCode::InvalidArgument, fmt::format("invalid pattern \"{}\"", escape_control(pattern)));
  return *whole || glob_match(pattern, familiar_name()).value_or(false);
}

ImageName parse_image_name(std::string_view text) {
  ImageName name;
  if (is_image_id(text)) {
    name.digest = Digest::from_hex(DigestAlgorithm::Sha256, text);
  } else if (auto digest = Digest::try_parse(text)) {
    name.digest = digest;
  } else {
    name.reference = Reference::parse_normalized(text);
  }
  return name;
}

}  // namespace proa::oci
