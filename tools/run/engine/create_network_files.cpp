// The files of /etc that depend on the network: hosts, hostname, resolv.conf.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/network/mode.h"
#include "libcommon/network/pasta.h"
#include "libcommon/os/file.h"
#include "libcommon/os/store_file.h"
#include "libcommon/runtime/etc_files.h"
#include "libcommon/spec/hosts.h"
#include "tools/run/engine/create.h"

namespace proa::engine {
namespace {

// The address that pasta will give the container: that of the interface with the default route. Connecting a datagram
// socket sends nothing.
std::string outgoing_address() {
  const os::UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(53);
  ::inet_pton(AF_INET, "192.0.2.1", &address.sin_addr);
  socklen_t size = sizeof address;
  char text[INET_ADDRSTRLEN];
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
      ::inet_ntop(AF_INET, &address.sin_addr, text, sizeof text) != nullptr) {
    return text;
  }
  return "127.0.1.1";
}

std::string hosts_file(const RunOptions& options, const ContainerRecord& record, network::Mode::Kind kind) {
  std::vector<runtime::HostsEntry> entries;
  for (const auto& text : options.add_host) {
    auto entry = spec::parse_add_host(text);
    if (entry.address == "host-gateway") {
      throw Error(ErrorCode::Unsupported, fmt::format("--add-host {}: host-gateway is not supported yet", text),
                  "the host's loopback is closed to containers; --network pasta:allow_host_loopback opens it at the "
                  "address of the gateway");
    }
    entries.push_back({entry.address, entry.names});
  }
  const std::string own = kind == network::Mode::Kind::User ? outgoing_address() : "127.0.1.1";
  std::vector<std::string> names{record.hostname};
  if (record.name != record.hostname) names.push_back(record.name);
  entries.push_back({own, names});
  return runtime::hosts_text(entries);
}

runtime::ResolvConf host_resolv_conf() {
  constexpr std::uint64_t kMax = 1 << 20;
  const auto parse = [](const char* path) {
    return runtime::parse_resolv_conf(os::try_read_file(path, kMax).value_or(""));
  };
  runtime::ResolvConf conf = parse("/etc/resolv.conf");
  // systemd-resolved listens on the host's loopback only; beside it stands what it asks itself.
  if (conf.nameservers == std::vector<std::string>{"127.0.0.53"}) {
    runtime::ResolvConf real = parse("/run/systemd/resolve/resolv.conf");
    if (!real.nameservers.empty()) return real;
  }
  return conf;
}

std::string resolv_conf_file(const RunOptions& options, ContainerRecord& record, network::Mode::Kind kind) {
  runtime::ResolvConf conf;
  if (kind != network::Mode::Kind::None) conf = host_resolv_conf();
  std::vector<std::string> asked;
  for (const auto& text : options.dns) asked.push_back(spec::parse_dns_server(text));
  if (kind == network::Mode::Kind::User) {
    auto plan = network::plan_dns(conf.nameservers, asked);
    conf.nameservers = std::move(plan.nameservers);
    record.dns_forward = std::move(plan.forward_to);
  } else if (!asked.empty()) {
    conf.nameservers = asked;
  }
  if (!options.dns_search.empty()) {
    conf.search.clear();
    for (const auto& text : options.dns_search) {
      if (auto domain = spec::parse_dns_search(text); domain != ".") conf.search.push_back(std::move(domain));
    }
  }
  if (!options.dns_option.empty()) conf.options = options.dns_option;
  return runtime::resolv_conf_text(conf);
}

std::string host_name() {
  char name[65] = {};
  if (::gethostname(name, sizeof name - 1) < 0) throw system_error("gethostname");
  return name;
}

}  // namespace

void write_network_files(const Container& container, const os::Path& final_path, const RunOptions& options,
                         ContainerRecord& record, runtime::ContainerSpec& spec) {
  const auto kind = network::parse_mode(record.network).kind;
  record.hostname = options.hostname                    ? spec::check_host_name(*options.hostname)
                    : kind == network::Mode::Kind::Host ? host_name()
                                                        : record.id.substr(0, 12);
  const bool own_uts = spec.uts.kind == runtime::NamespaceChoice::Kind::Private;
  if (own_uts) spec.hostname = record.hostname;
  if (!own_uts && options.hostname) {
    throw Error(ErrorCode::InvalidArgument, "--hostname needs a uts namespace of its own", "leave out --uts");
  }

  const auto provide = [&](const char* name, const std::string& text) {
    const std::string target = fmt::format("/etc/{}", name);
    const bool taken = std::any_of(spec.mounts.begin(), spec.mounts.end(),
                                   [&](const auto& mount) { return mount.target == target || mount.target == "/etc"; });
    if (taken) return;
    auto file = os::StoreFile::create(fmt::format("bundle/{}", name), container.fd(), 0644);
    if (::fchmod(file.fd(), 0644) < 0) throw system_error("fchmod");
    file.write(text);
    runtime::MountRequest mount;
    mount.source = fmt::format("{}/bundle/{}", final_path, name);
    mount.target = target;
    spec.mounts.insert(spec.mounts.begin(), std::move(mount));
  };
  if (!options.no_hosts) provide("hosts", hosts_file(options, record, kind));
  if (!options.no_hostname) provide("hostname", runtime::hostname_text(record.hostname));
  if (options.dns != std::vector<std::string>{"none"}) {
    provide("resolv.conf", resolv_conf_file(options, record, kind));
  }
}

}  // namespace proa::engine
