// ContainerSpec and host facts in, config.json out. Pure: no system call.
#pragma once

#include <string>
#include <vector>

#include "libcommon/oci/runtime_spec.h"
#include "libcommon/os/caps.h"
#include "libcommon/os/cgroup.h"
#include "libcommon/os/idmap.h"
#include "libcommon/runtime/container_spec.h"

namespace proa::runtime {

struct HostDevice {
  std::string host_path;
  oci::RuntimeDevice device;  // its path is the one in the container
};

struct HostFacts {
  os::IdMode id_mode = os::IdMode::Root;
  bool in_user_namespace = false;
  std::uint64_t mapped_ids = 4294967295;  // ids from 0 on that exist where the container starts
  bool cgroup_v2 = false;
  std::vector<std::string> cgroup_controllers;  // delegated to us
  os::CapSet capabilities = 0;                  // that can be given: root may have lost some, in a CI job
  bool apparmor = false, selinux = false;
  bool mqueue = true;         // the host has /dev/mqueue
  std::string terminal_type;  // the client's TERM
  // Device nodes for --privileged and --device, with their numbers: filled by gather_host_facts(spec).
  std::vector<HostDevice> devices;
};
// `plan`: what enter_user_namespace() returned (or a Root plan). Looks only at what `spec` needs.
HostFacts gather_host_facts(const ContainerSpec& spec, const os::UserNamespacePlan& plan);

struct Generated {
  oci::RuntimeSpec spec;
  std::vector<std::string> notes;  // one line each: limits that cannot be kept here
};
// Throws InvalidArgument naming the option at fault (unknown capability, sysctl outside the namespaces, mount on /proc,
// uid beyond the map).
Generated generate(const ContainerSpec& spec, const HostFacts& facts);

// The capabilities that containers get without --cap-add, as podman has them.
os::CapSet default_capabilities();
// Paths hidden and paths made read-only in every container that is not privileged.
const std::vector<std::string>& default_masked_paths();
const std::vector<std::string>& default_readonly_paths();
// Throws unless the key belongs to a namespace that the container has for itself.
void check_sysctl(const std::string& key, const std::string& value, const oci::RuntimeSpec& spec);

}  // namespace proa::runtime
