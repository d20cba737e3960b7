// pasta(1): the network of a rootless container. The plan of its command line is pure; starting it gives a child that
// dies with us.
#pragma once

#include <memory>
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
  // `directory`: ours, absolute, for the FIFO by which pasta says that it is ready and the mount point of the
  // namespace. `netns_fd`: an open namespace file; the caller needs a mount namespace of its own.
  static Pasta start(PastaRequest request, const std::string& directory, int netns_fd);

  // Waits until the network is usable. Throws Unavailable with pasta's own last line when it gave up.
  void wait_ready();
  pid_t pid() const { return child_.pid(); }
  int pidfd() const { return child_.pidfd(); }
  // No longer ours to wait for (a loop that reaps everything does it); it still dies with this process.
  void disown() noexcept { child_.disown(); }

 private:
  // The bind mount of the namespace; kept mounted it would keep the namespace.
  class NamespaceMount {
   public:
    NamespaceMount(int netns_fd, std::string target);
    NamespaceMount(NamespaceMount&& other) noexcept : target_(std::exchange(other.target_, {})) {}
    NamespaceMount& operator=(NamespaceMount&&) = delete;
    ~NamespaceMount();

   private:
    std::string target_;
  };

  Pasta(NamespaceMount mount, os::Child child, os::UniqueFd ready, os::UniqueFd errors,
        std::vector<spec::PortMapping> ports)
      : mount_(std::move(mount)),
        child_(std::move(child)),
        ready_(std::move(ready)),
        errors_(std::move(errors)),
        ports_(std::move(ports)) {}

  NamespaceMount mount_;
  os::Child child_;
  os::UniqueFd ready_, errors_;
  std::vector<spec::PortMapping> ports_;
};

}  // namespace proa::network
