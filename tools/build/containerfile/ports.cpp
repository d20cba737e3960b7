// EXPOSE: "[[address:]host-port:]container-port[-end][/protocol]"; only the container's ports count.
#include <fmt/format.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "tools/build/containerfile/instruction.h"

namespace proa::build {
namespace {

[[noreturn]] void bad_port(std::string_view word, std::string_view why) {
  throw Error(ErrorCode::InvalidArgument, fmt::format("invalid port \"{}\": {}", escape_control(word), why));
}

struct Range {
  std::uint16_t first, last;
  std::size_t size() const { return static_cast<std::size_t>(last - first) + 1; }
};

Range parse_range(std::string_view word, std::string_view text) {
  auto parts = cut(text, "-");
  auto first = parse_integer<std::uint16_t>(parts ? parts->first : text);
  auto last = parts ? parse_integer<std::uint16_t>(parts->second) : first;
  if (!first || !last) bad_port(word, "a port is a number up to 65535");
  if (*last < *first) bad_port(word, "the range ends before it starts");
  return {*first, *last};
}

void check_address(std::string_view word, std::string_view address) {
  if (address.empty()) return;
  if (address.starts_with('[')) {
    if (!address.ends_with(']')) bad_port(word, "no ] after the address");
    address = address.substr(1, address.size() - 2);
  }
  if (address.find_first_not_of("0123456789abcdefABCDEF:.%") != std::string_view::npos)
    bad_port(word, "not an IP address");
}

void expand_port(std::string_view word, std::vector<std::string>& result) {
  std::string protocol = "tcp";
  std::string_view rest = word;
  if (auto parts = cut_last(rest, "/")) {
    if (!parts->second.empty()) protocol = to_lower(parts->second);
    rest = parts->first;
  }
  if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") bad_port(word, "the protocol is tcp, udp or sctp");
  std::string_view host;
  if (auto parts = cut_last(rest, ":")) {
    rest = parts->second;
    host = parts->first;
    if (auto address = cut_last(host, ":")) {
      check_address(word, address->first);
      host = address->second;
    }
  }
  if (rest.empty()) bad_port(word, "no port specified");
  Range ports = parse_range(word, rest);
  if (!host.empty() && parse_range(word, host).size() != ports.size() && ports.size() != 1) {
    bad_port(word, "the ranges of host and container differ in length");
  }
  for (std::uint32_t port = ports.first; port <= ports.last; ++port) {
    std::string entry = fmt::format("{}/{}", port, protocol);
    if (std::find(result.begin(), result.end(), entry) == result.end()) result.push_back(std::move(entry));
  }
}

}  // namespace

std::vector<std::string> expand_ports(const std::vector<std::string>& words) {
  std::vector<std::string> result;
  for (const std::string& word : words) expand_port(word, result);
  return result;
}

}  // namespace proa::build
