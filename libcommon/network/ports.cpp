#include "libcommon/network/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <set>
#include <tuple>

#include "libcommon/base/error.h"
#include "libcommon/os/unique_fd.h"

namespace proa::network {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  int family = AF_INET;
};

Address make_address(const std::string& host_ip, std::uint16_t port) {
  Address address;
  in6_addr six{};
  if (!host_ip.empty() && ::inet_pton(AF_INET6, host_ip.c_str(), &six) == 1) {
    auto* in = reinterpret_cast<sockaddr_in6*>(&address.storage);
    in->sin6_family = AF_INET6;
    in->sin6_addr = six;
    in->sin6_port = htons(port);
    address.size = sizeof *in;
    address.family = AF_INET6;
    return address;
  }
  auto* in = reinterpret_cast<sockaddr_in*>(&address.storage);
  in->sin_family = AF_INET;
  in->sin_port = htons(port);
  if (!host_ip.empty() && ::inet_pton(AF_INET, host_ip.c_str(), &in->sin_addr) != 1) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("'{}' is no address of a published port", host_ip));
  }
  address.size = sizeof *in;
  return address;
}

// Binds as pasta will; 0 when that works, else errno. With port 0 the kernel chooses and `chosen` tells.
int try_bind(const std::string& protocol, const std::string& host_ip, std::uint16_t port, std::uint16_t* chosen) {
  Address address = make_address(host_ip, port);
  const int type = protocol == "udp" ? SOCK_DGRAM : SOCK_STREAM;
  os::UniqueFd socket(::socket(address.family, type | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return errno;
  const int one = 1;
  if (address.family == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  if (type == SOCK_STREAM) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address.storage), address.size) < 0) return errno;
  // Two sockets with SO_REUSEADDR may be bound to one port as long as none listens.
  if (type == SOCK_STREAM && ::listen(socket.get(), 1) < 0) return errno;
  if (chosen != nullptr) {
    if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.size) < 0) return errno;
    *chosen = ntohs(address.family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_port
                                               : reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port);
  }
  return 0;
}

using Claim = std::tuple<std::string, std::string, std::uint16_t>;

std::uint16_t free_port(const spec::PortMapping& mapping, const std::set<Claim>& claimed) {
  const auto is_claimed = [&](std::uint16_t port) {
    return claimed.contains({mapping.protocol, mapping.host_ip, port});
  };
  if (mapping.host_ports.first == 0) {
    for (int attempt = 0; attempt < 16; ++attempt) {
      std::uint16_t port = 0;
      const int error = try_bind(mapping.protocol, mapping.host_ip, 0, &port);
      if (error != 0) {
        throw system_error(fmt::format("no free port for {}", mapping.container_text()), error);
      }
      if (!is_claimed(port)) return port;
    }
  }
  for (unsigned port = mapping.host_ports.first; port != 0 && port <= mapping.host_ports.last; ++port) {
    const auto number = static_cast<std::uint16_t>(port);
    if (!is_claimed(number) && is_port_free(mapping.protocol, mapping.host_ip, number)) return number;
  }
  throw Error(ErrorCode::Unavailable,
              fmt::format("every host port in {} for {} is in use", mapping.host_text(), mapping.container_text()));
}

}  // namespace

std::vector<spec::PortMapping> choose_host_ports(std::vector<spec::PortMapping> mappings) {
  std::set<Claim> claimed;
  for (const auto& mapping : mappings) {
    if (mapping.host_ports.first == 0 || mapping.host_ports.first != mapping.host_ports.last) continue;
    if (!claimed.emplace(mapping.protocol, mapping.host_ip, mapping.host_ports.first).second) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("host port {}/{} is published twice", mapping.host_ports.first, mapping.protocol));
    }
  }
  for (auto& mapping : mappings) {
    if (mapping.host_ports.first != 0 && mapping.host_ports.first == mapping.host_ports.last) continue;
    const std::uint16_t port = free_port(mapping, claimed);
    claimed.emplace(mapping.protocol, mapping.host_ip, port);
    mapping.host_ports = {port, port};
  }
  return mappings;
}

bool is_port_free(const std::string& protocol, const std::string& host_ip, std::uint16_t port) {
  return try_bind(protocol, host_ip, port, nullptr) == 0;
}

std::vector<std::string> taken_ports(const std::vector<spec::PortMapping>& mappings) {
  std::vector<std::string> taken;
  for (const auto& mapping : mappings) {
    int error = try_bind(mapping.protocol, mapping.host_ip, mapping.host_ports.first, nullptr);
    if (error == 0 && mapping.host_ip.empty()) {
      // All addresses are IPv6's too, where there is IPv6.
      error = try_bind(mapping.protocol, "::", mapping.host_ports.first, nullptr);
      if (error == EAFNOSUPPORT || error == EADDRNOTAVAIL) error = 0;
    }
    if (error == 0) continue;
    const std::string where = mapping.host_ip.empty() ? "" : mapping.host_ip + ":";
    taken.push_back(fmt::format("{}{}/{}: {}", where, mapping.host_ports.first, mapping.protocol, errno_text(error)));
  }
  return taken;
}

std::string describe(const spec::PortMapping& mapping) {
  std::string ip = mapping.host_ip.empty() ? "0.0.0.0" : mapping.host_ip;
  if (ip.find(':') != std::string::npos) ip = "[" + ip + "]";
  return fmt::format("{}:{}->{}", ip, mapping.host_ports.first, mapping.container_text());
}

}  // namespace proa::network
