#include "libcommon/spec/hosts.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::spec {
namespace {

constexpr std::size_t kMaxHostName = 64;

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

[[noreturn]] void refuse_host(std::string_view what, std::string_view text, std::string_view reason) {
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("invalid {} \"{}\": {}", what, escape_control(text.substr(0, 300)), reason));
}

// Names beyond ASCII are let through, as other tools do; nothing that ends a word or a line of the file is.
bool may_stand_in_hosts(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f && c != '#' && c != ':';
  });
}

}  // namespace

bool is_ip_address(std::string_view text) {
  // inet_pton reads up to a NUL, so one inside of the text would hide the rest.
  if (text.find('\0') != std::string_view::npos) return false;
  std::string address(text);
  unsigned char binary[16];
  return ::inet_pton(AF_INET, address.c_str(), binary) == 1 || ::inet_pton(AF_INET6, address.c_str(), binary) == 1;
}

std::string parse_ip(std::string_view text) {
  std::string address(trim(text));
  if (!is_ip_address(address)) refuse_host("IP address", text, "neither IPv4 nor IPv6");
  unsigned char binary[16];
  char canonical[INET6_ADDRSTRLEN];
  int family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
  PROA_CHECK(::inet_pton(family, address.c_str(), binary) == 1 &&
             ::inet_ntop(family, binary, canonical, sizeof canonical));
  return canonical;
}

HostEntry parse_add_host(std::string_view text) {
  auto parts = cut(text, "=");
  if (!parts) parts = cut(text, ":");
  if (!parts || parts->first.empty() || parts->first.find(':') != std::string_view::npos) {
    refuse_host("host entry", text, "expected NAME:IP");
  }
  auto [names, address] = *parts;
  HostEntry entry;
  entry.names = split(names, ';');
  for (const auto& name : entry.names) {
    if (!may_stand_in_hosts(name)) refuse_host("host entry", text, "the host name is empty or holds white space");
  }
  if (address != "host-gateway") {
    if (address.size() > 2 && address.front() == '[' && address.back() == ']')
      address = address.substr(1, address.size() - 2);
    if (!is_ip_address(address))
      refuse_host("host entry", text, fmt::format("\"{}\" is not an IP address", escape_control(address)));
  }
  entry.address = address;
  return entry;
}

std::string check_host_name(std::string_view text) {
  bool good = !text.empty() && text.size() <= kMaxHostName && std::all_of(text.begin(), text.end(), is_name_char) &&
              text[0] != '.';
  if (!good) refuse_host("host name", text, "letters, digits, '-', '_' and '.' are allowed, 64 at most");
  return std::string(text);
}

std::string parse_dns_server(std::string_view text) {
  std::string_view address = trim(text);
  if (!is_ip_address(address)) refuse_host("DNS server", text, "not an IP address");
  return std::string(address);
}

// Labels of letters, digits and inner '-' or '_', joined by dots; a name without any letter is no domain.
std::string parse_dns_search(std::string_view text) {
  std::string_view domain = trim(text);
  if (domain == ".") return ".";
  if (domain.ends_with('.')) domain.remove_suffix(1);
  bool has_letter = std::any_of(domain.begin(), domain.end(), [](char c) { return is_name_char(c) && c > '9'; });
  bool good = has_letter && domain.size() <= 255;
  for (const auto& label : split(domain, '.')) {
    good = good && !label.empty() && label.size() <= 63 && std::all_of(label.begin(), label.end(), is_name_char) &&
           label.front() != '-' && label.back() != '-' && label.front() != '_' && label.back() != '_';
  }
  if (!good) refuse_host("DNS search domain", text, "not a domain name");
  return std::string(domain);
}

}  // namespace proa::spec
