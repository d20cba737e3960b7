// pasta(1): the network of a rootless container. The plan of its command line is pure; starting it gives a child that
// dies with us.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "libcommon/os/process.h"
#include "libcommon/os/unique_fd.h"
#include "libcommon/spec/ports.h"

namespace proa::network {

// Where containers send DNS queries when the host's own name server is out of their reach (on its loopback).
inline constexpr const char* kDnsForward = "169.254.1.1";

struct PastaRequest {
  std::string netns;       // a file that is the namespace (bind mount): pasta gives up the right to look into /proc/PID
  std::string ready_file;  // pasta writes its pid there when everything is set up
  std::vector<spec::PortMapping> ports;  // with host ports chosen
  bool host_loopback = false;
  std::vector<std::string> dns_forward_to;  // not empty: kDnsForward leads to the first of these
  std::vector<std::string> options;
};

// Arguments without argv[0]. Consecutive ports are joined to ranges. Throws Unsupported for sctp.
std::vector<std::string> pasta_arguments(const PastaRequest& request);

// Which name servers a container behind pasta is told, and what pasta has to forward. `host`: those of the host's
// resolv.conf. Servers on the host's loopback are replaced by kDnsForward.
struct DnsPlan {
  std::vector<std::string> nameservers;
  std::vector<std::string> forward_to;
};
DnsPlan plan_dns(const std::vector<std::string>& host, const std::vector<std::string>& asked);

// pasta while it lives. Destroying it ends it.
class Pasta {
 public:
  // `netns_fd`: an open namespace file. pasta gets a mount namespace of its own, in which the namespace and the file by
  // which it says that it is ready lie where it finds them after it has dropped its rights (to nobody, for root). The
  // caller is single-threaded and may mount: root, or uid 0 of a user namespace. Fills in `netns` and `ready_file`.
  static Pasta start(PastaRequest request, int netns_fd);

  // For real root, whose rights pasta would give up: then it could not enter a namespace of the first user namespace.
  // pasta becomes root of a user namespace in which nothing else lives and to which the new network namespace belongs.
  // Ports below net.ipv4.ip_unprivileged_port_start are out of its reach. The second: the network namespace.
  static std::pair<Pasta, os::UniqueFd> start_with_namespace(PastaRequest request);

  // Waits until the network is usable. Throws Unavailable with pasta's own last line when it gave up.
  void wait_ready();
  pid_t pid() const { return child_.pid(); }

 private:
  Pasta(os::Child child, os::UniqueFd ready, os::UniqueFd errors, std::vector<spec::PortMapping> ports)
      : child_(std::move(child)), ready_(std::move(ready)), errors_(std::move(errors)), ports_(std::move(ports)) {}
  struct Start;
  static Pasta start(PastaRequest request, Start& start);

  os::Child child_;
  os::UniqueFd ready_, errors_;
  std::vector<spec::PortMapping> ports_;
};

}  // namespace proa::network
