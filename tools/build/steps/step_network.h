// The network of a RUN step.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcommon/network/pasta.h"
#include "libcommon/runtime/etc_files.h"
#include "tools/build/steps/run_step.h"

namespace proa::build {

class StepNetwork {
 public:
  // `dns`: name servers asked for; those of the host when empty.
  StepNetwork(NetworkChoice choice, const std::vector<std::string>& dns);
  StepNetwork(const StepNetwork&) = delete;

  bool shares_host() const { return choice_ == NetworkChoice::Host; }
  // What the step's resolv.conf says; search domains and options are the host's.
  const runtime::ResolvConf& resolv_conf() const { return resolv_; }
  // The lines that the step's /etc/hosts begins with.
  std::string hosts_base() const;
  // Begins to connect the network namespace of a step's first process to the user's network. Early in its life: later
  // it may not be looked into any more.
  void attach(pid_t init);
  // Real root: the namespace is made first, and the step joins it.
  void prepare(oci::RuntimeSpec& spec);
  void wait_ready();

 private:
  NetworkChoice choice_;
  runtime::ResolvConf resolv_;
  network::DnsPlan dns_;
  std::optional<network::Pasta> pasta_;
  os::UniqueFd namespace_;
};

}  // namespace proa::build
