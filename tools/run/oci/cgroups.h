// The cgroup of a container that others run: where cgroupsPath says, on machines with cgroup v2.
#pragma once

#include <string>

#include "libcommon/oci/runtime_spec.h"

namespace proa::run::oci {

// The directory of the new group with its limits; empty where no cgroup v2 can be had, with a note when limits were
// asked for.
std::string make_group(const std::string& id, const proa::oci::RuntimeSpec& spec);
// Kills what is left in it. Does not throw: an empty group that stays is no reason to keep a container.
void remove_group(const std::string& directory) noexcept;

}  // namespace proa::run::oci
