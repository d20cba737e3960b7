#include "tools/build/steps/step_network.h"

#include <sched.h>
#include <sys/mount.h>

#include "libcommon/os/namespaces.h"

namespace proa::build {
namespace {

constexpr std::uint64_t kMaxEtcFile = 1u << 20;

}  // namespace

StepNetwork::StepNetwork(NetworkChoice choice, const std::vector<std::string>& dns) : choice_(choice) {
  if (choice == NetworkChoice::None) return;
  resolv_ = runtime::parse_resolv_conf(os::try_read_file("/etc/resolv.conf", kMaxEtcFile).value_or(""));
  if (choice == NetworkChoice::Host) {
    if (!dns.empty()) resolv_.nameservers = dns;
    return;
  }
  dns_ = network::plan_dns(resolv_.nameservers, dns);
  resolv_.nameservers = dns_.nameservers;
}

StepNetwork::~StepNetwork() {
  pasta_.reset();
  // Where pasta found the namespace: a mount point would keep the folder from being removed.
  if (!netns_mount_.empty()) ::umount2(netns_mount_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

std::string StepNetwork::hosts_base() const {
  if (choice_ != NetworkChoice::Host) return "";
  return os::try_read_file("/etc/hosts", kMaxEtcFile).value_or("");
}

void StepNetwork::attach(pid_t init, const std::string& directory) {
  if (choice_ != NetworkChoice::Default) return;
  network::PastaRequest request;
  request.dns_forward_to = dns_.forward_to;
  netns_mount_ = os::join(directory, "netns");
  os::UniqueFd netns = os::open_namespace(init, CLONE_NEWNET);
  pasta_.emplace(network::Pasta::start(std::move(request), directory, netns.get()));
}

void StepNetwork::wait_ready() {
  if (pasta_) pasta_->wait_ready();
}

}  // namespace proa::build
