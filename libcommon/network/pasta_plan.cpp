#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/network/pasta.h"

namespace proa::network {
namespace {

struct Forward {
  std::string host_ip;
  unsigned host, container, count;
};

// One protocol's mappings, runs of consecutive ports joined.
std::vector<Forward> forwards(const std::vector<spec::PortMapping>& ports, std::string_view protocol) {
  std::vector<Forward> result;
  for (const auto& port : ports) {
    if (port.protocol != protocol) continue;
    PROA_CHECK(port.host_ports.first != 0 && port.host_ports.first == port.host_ports.last);
    if (!result.empty()) {
      Forward& last = result.back();
      if (last.host_ip == port.host_ip && last.host + last.count == port.host_ports.first &&
          last.container + last.count == port.container_port) {
        ++last.count;
        continue;
      }
    }
    result.push_back({port.host_ip, port.host_ports.first, port.container_port, 1});
  }
  return result;
}

std::string forward_text(const Forward& forward) {
  const auto range = [&](unsigned first) {
    return forward.count == 1 ? fmt::format("{}", first) : fmt::format("{}-{}", first, first + forward.count - 1);
  };
  std::string text = range(forward.host);
  if (forward.host != forward.container) text += ":" + range(forward.container);
  if (!forward.host_ip.empty() && forward.host_ip != "0.0.0.0") text = forward.host_ip + "/" + text;
  return text;
}

void add_forwards(std::vector<std::string>& arguments, const std::vector<spec::PortMapping>& ports,
                  std::string_view protocol, const char* flag) {
  const auto all = forwards(ports, protocol);
  if (all.empty()) arguments.insert(arguments.end(), {flag, "none"});
  for (const auto& forward : all) arguments.insert(arguments.end(), {flag, forward_text(forward)});
}

bool is_loopback(std::string_view address) { return address.starts_with("127.") || address == "::1"; }

}  // namespace

std::vector<std::string> pasta_arguments(const PastaRequest& request) {
  for (const auto& port : request.ports) {
    if (port.protocol == "tcp" || port.protocol == "udp") continue;
    throw Error(ErrorCode::Unsupported, fmt::format("port {}: pasta forwards tcp and udp only", port.container_text()),
                "use --network host for other protocols");
  }
  // Foreground: it stays our child, and the kernel ends it with us. Nothing of the host's loopback is reachable unless
  // asked for: neither by the gateway's address (--no-map-gw) nor by ports of the container's loopback (-T, -U none).
  std::vector<std::string> arguments{"--config-net", "--quiet", "--foreground", "--netns-only"};
  if (!request.host_loopback) arguments.emplace_back("--no-map-gw");
  if (!request.dns_forward_to.empty()) {
    arguments.insert(arguments.end(), {"--dns-forward", kDnsForward, "--dns", request.dns_forward_to.front()});
  }
  add_forwards(arguments, request.ports, "tcp", "-t");
  add_forwards(arguments, request.ports, "udp", "-u");
  arguments.insert(arguments.end(), {"-T", "none", "-U", "none", "--pid", request.ready_file});
  arguments.insert(arguments.end(), request.options.begin(), request.options.end());
  arguments.insert(arguments.end(), {"--netns", request.netns});
  return arguments;
}

DnsPlan plan_dns(const std::vector<std::string>& host, const std::vector<std::string>& asked) {
  DnsPlan plan;
  if (!asked.empty()) {
    plan.nameservers = asked;
    return plan;
  }
  for (const auto& server : host) {
    if (is_loopback(server)) {
      plan.forward_to.push_back(server);
    } else {
      plan.nameservers.push_back(server);
    }
  }
  // A server that is reachable as it is serves better than one behind a translation.
  if (!plan.nameservers.empty()) plan.forward_to.clear();
  if (!plan.forward_to.empty()) plan.nameservers.emplace_back(kDnsForward);
  return plan;
}

}  // namespace proa::network
