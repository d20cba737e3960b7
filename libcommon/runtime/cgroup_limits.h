// Limits of a specification as files of cgroup v2.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "libcommon/oci/runtime_spec.h"
#include "libcommon/os/cgroup.h"

namespace proa::runtime {

struct CgroupSettings {
  std::vector<std::string> controllers;
  std::vector<std::pair<std::string, std::string>> files;  // file, value
  bool operator==(const CgroupSettings&) const = default;
};
// Conversions as crun and runc have them (cpu.shares to cpu.weight, memory+swap to swap alone). Throws InvalidArgument.
CgroupSettings cgroup_settings(const oci::RuntimeResources& resources);

// Changes the limits of a group that exists: all or nothing, as far as it can be seen before. Unsupported names what is
// not delegated.
void change_limits(const os::Path& directory, const oci::RuntimeResources& resources);

// Makes the container's group with its limits. nullopt: nothing is delegated. Throws when limits were asked for that
// cannot be kept.
std::optional<os::Cgroup> make_cgroup(os::CgroupPlace& place, const oci::RuntimeResources& resources);

}  // namespace proa::runtime
