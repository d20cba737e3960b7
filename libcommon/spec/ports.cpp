#include "libcommon/spec/ports.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/spec/hosts.h"

namespace proa::spec {
namespace {

[[noreturn]] void refuse_port(std::string_view text, std::string_view reason) {
  throw Error(ErrorCode::InvalidArgument, fmt::format("invalid port \"{}\": {}", escape_control(text), reason),
              "expected [[IP:]HOST_PORT:]CONTAINER_PORT[/PROTOCOL]");
}

std::uint16_t port_number(std::string_view number, std::string_view whole) {
  auto port = parse_integer<std::uint32_t>(number);
  if (!port) refuse_port(whole, fmt::format("\"{}\" is not a number", escape_control(number)));
  if (*port > 65535) refuse_port(whole, fmt::format("{} is greater than 65535", *port));
  return static_cast<std::uint16_t>(*port);
}

PortRange port_range(std::string_view text, std::string_view whole) {
  auto parts = cut(text, "-");
  PortRange range;
  range.first = port_number(parts ? parts->first : text, whole);
  range.last = parts ? port_number(parts->second, whole) : range.first;
  if (range.last < range.first) refuse_port(whole, "the range ends before it begins");
  return range;
}

struct Sections {
  std::string_view ip, host, container;
};

// Host and container ports are the last two sections; all colons before belong to an address.
Sections split_sections(std::string_view text) {
  auto container = cut_last(text, ":");
  if (!container) return {"", "", text};
  auto host = cut_last(container->first, ":");
  if (!host) return {"", container->first, container->second};
  return {host->first, host->second, container->second};
}

int width(const PortRange& range) { return range.last - range.first + 1; }

}  // namespace

std::string PortMapping::container_text() const { return fmt::format("{}/{}", container_port, protocol); }

std::string PortMapping::host_text() const {
  if (host_ports.last == 0) return "";
  if (host_ports.first == host_ports.last) return std::to_string(host_ports.first);
  return fmt::format("{}-{}", host_ports.first, host_ports.last);
}

std::uint16_t parse_port_number(std::string_view text) { return text.empty() ? 0 : port_number(text, text); }

PortRange parse_port_range(std::string_view text) { return port_range(text, text); }

PortAndProtocol split_protocol(std::string_view text) {
  auto parts = cut(text, "/");
  std::string_view port = parts ? parts->first : text;
  std::string_view protocol = parts ? parts->second : "";
  if (port.empty()) return {};
  return {std::string(port), std::string(protocol.empty() ? "tcp" : protocol)};
}

std::string short_publish_form(std::string_view text) {
  if (text.find('=') == std::string_view::npos) return std::string(text);
  std::string target;
  std::string published;
  std::string protocol = "tcp";
  for (const auto& field : split(text, ',')) {
    auto pair = cut(field, "=");
    if (!pair || pair->first.empty()) refuse_port(text, fmt::format("\"{}\" is not NAME=VALUE", escape_control(field)));
    if (pair->first == "target") {
      target = pair->second;
    } else if (pair->first == "published") {
      published = pair->second;
    } else if (pair->first == "protocol") {
      protocol = pair->second;
    } else if (pair->first != "mode" && pair->first != "name" && pair->first != "app_protocol") {
      refuse_port(text, fmt::format("\"{}\" is unknown", escape_control(pair->first)));
    }
  }
  return fmt::format("{}{}{}/{}", published, published.empty() ? "" : ":", target, protocol);
}

std::vector<PortMapping> parse_publish(std::string_view given) {
  const std::string short_form = short_publish_form(given);
  std::string_view text = short_form;
  auto [ip, host, container_and_protocol] = split_sections(text);
  auto [container, protocol] = split_protocol(container_and_protocol);
  if (container.empty()) refuse_port(text, "there is no port of the container");
  protocol = to_lower(protocol);
  if (protocol != "tcp" && protocol != "udp" && protocol != "sctp")
    refuse_port(text, "the protocol must be tcp, udp or sctp");
  if (ip.starts_with('[') && ip.ends_with(']')) ip = ip.substr(1, ip.size() - 2);
  if (!ip.empty() && !is_ip_address(ip))
    refuse_port(text, fmt::format("\"{}\" is not an IP address", escape_control(ip)));

  PortRange ports = port_range(container, text);
  if (ports.first == 0) refuse_port(text, "port 0 of a container cannot be reached");
  PortRange host_ports = host.empty() ? PortRange{} : port_range(host, text);
  // A range on the host is either as wide as that of the container, or what one port may choose from.
  bool choice = width(ports) == 1;
  if (!host.empty() && !choice && width(ports) != width(host_ports))
    refuse_port(text, "the two ranges differ in width");
  std::vector<PortMapping> mappings;
  for (int i = 0; i < width(ports); ++i) {
    PortMapping mapping{.container_port = static_cast<std::uint16_t>(ports.first + i),
                        .protocol = protocol,
                        .host_ip = std::string(ip)};
    if (!host.empty()) {
      auto first = static_cast<std::uint16_t>(host_ports.first + i);
      mapping.host_ports = choice ? host_ports : PortRange{first, first};
    }
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

std::vector<PortMapping> parse_expose(std::string_view text) {
  auto mappings = parse_publish(text);
  for (auto& mapping : mappings) {
    mapping.host_ip.clear();
    mapping.host_ports = {};
  }
  return mappings;
}

}  // namespace proa::spec
