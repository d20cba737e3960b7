// Published ports: from what was asked for to ports of this host.
#pragma once

#include <string>
#include <vector>

#include "libcommon/spec/ports.h"

namespace proa::network {

// Gives each mapping one host port: a free one where none or several were offered. Mappings that name a port keep it,
// free or not. Throws Unavailable when all ports of a range are taken, InvalidArgument when two mappings claim one
// port.
std::vector<spec::PortMapping> choose_host_ports(std::vector<spec::PortMapping> mappings);

// Whether a socket could be bound there now.
bool is_port_free(const std::string& protocol, const std::string& host_ip, std::uint16_t port);

// The mappings whose host port is taken, for the one line that says so: "127.0.0.1:8080/tcp".
std::vector<std::string> taken_ports(const std::vector<spec::PortMapping>& mappings);

// "0.0.0.0:8080->80/tcp", as `ps` and `port` show it.
std::string describe(const spec::PortMapping& mapping);

}  // namespace proa::network
