#include "tools/build/steps/step_network.h"

#include <sched.h>
#include <unistd.h>

#include "libcommon/os/idmap.h"
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

std::string StepNetwork::hosts_base() const {
  if (choice_ != NetworkChoice::Host) return "";
  return os::try_read_file("/etc/hosts", kMaxEtcFile).value_or("");
}

void StepNetwork::attach(pid_t init) {
  if (choice_ != NetworkChoice::Default || pasta_) return;
  network::PastaRequest request;
  request.dns_forward_to = dns_.forward_to;
  os::UniqueFd netns = os::open_namespace(init, CLONE_NEWNET);
  pasta_.emplace(network::Pasta::start(std::move(request), netns.get()));
}

void StepNetwork::prepare(oci::RuntimeSpec& spec) {
  if (choice_ != NetworkChoice::Default || ::geteuid() != 0 || os::in_user_namespace()) return;
  network::PastaRequest request;
  request.dns_forward_to = dns_.forward_to;
  auto [pasta, space] = network::Pasta::start_with_namespace(std::move(request));
  pasta_.emplace(std::move(pasta));
  namespace_ = std::move(space);
  for (auto& one : spec.linux_.namespaces) {
    if (one.type == "network") one.path = os::fd_path(namespace_.get());
  }
}

void StepNetwork::wait_ready() {
  if (pasta_) pasta_->wait_ready();
}

}  // namespace proa::build
