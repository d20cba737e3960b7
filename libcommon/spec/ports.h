// -p, --publish and EXPOSE: texts as docker writes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace proa::spec {

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  bool operator==(const PortRange&) const = default;
};

// One port of the container. Everything here throws InvalidArgument on malformed text.
struct PortMapping {
  std::uint16_t container_port = 0;
  std::string protocol;  // "tcp", "udp" or "sctp"
  std::string host_ip;   // an address, or empty: all of them
  PortRange host_ports;  // 0-0: any free port; more than one: any free port of these

  std::string container_text() const;  // "80/tcp"
  std::string host_text() const;       // "", "8080" or "8080-8090"
  bool operator==(const PortMapping&) const = default;
};

std::uint16_t parse_port_number(std::string_view text);  // "" is 0
PortRange parse_port_range(std::string_view text);       // "80", "80-82"

struct PortAndProtocol {
  std::string port, protocol;
};
// "80/udp": the two parts as written, "tcp" when there is none; both empty when there is no port.
PortAndProtocol split_protocol(std::string_view text);

// docker's long form, "target=80,published=8080,protocol=udp", as the short one: "8080:80/udp". Other texts stay as
// they are.
std::string short_publish_form(std::string_view text);

// "[[IP:]HOST[-HOST]:]PORT[-PORT][/PROTOCOL]". A range of container ports gives one mapping each.
// The long form is understood, too.
std::vector<PortMapping> parse_publish(std::string_view text);
// --expose and EXPOSE: "80", "80-82/udp"; also what -p takes, of which the host's part is ignored.
std::vector<PortMapping> parse_expose(std::string_view text);

}  // namespace proa::spec
