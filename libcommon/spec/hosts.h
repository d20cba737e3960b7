// --add-host, --dns, --dns-search, --hostname: what ends up as lines of /etc/hosts and /etc/resolv.conf.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace proa::spec {

bool is_ip_address(std::string_view text);  // IPv4 or IPv6, no brackets, no zone

// --ip: white space trimmed, in canonical form ("0:0::1" is "::1").
std::string parse_ip(std::string_view text);

struct HostEntry {
  std::vector<std::string> names;
  std::string address;  // as written, or "host-gateway"
  bool operator==(const HostEntry&) const = default;
};

// "NAME:IP", "NAME=IP", "NAME=[IP]", "NAME;NAME2:IP", "NAME:host-gateway". InvalidArgument when malformed, also for
// names with white space or control characters: none may make a line of its own in /etc/hosts.
HostEntry parse_add_host(std::string_view text);

// A name that may stand in /etc/hosts and be set as the host name: letters, digits, '-', '_' and dots, at most 64 bytes
// (HOST_NAME_MAX). Returns it.
std::string check_host_name(std::string_view text);

// --dns: an address. --dns-search: a domain, or "." for none. Both return the text, trimmed.
std::string parse_dns_server(std::string_view text);
std::string parse_dns_search(std::string_view text);

}  // namespace proa::spec
