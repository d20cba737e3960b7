// System call filters: profiles as data, compiled once by libseccomp, then read from the cache.
#pragma once

#include <linux/filter.h>

#include <string>
#include <string_view>
#include <vector>

#include "libcommon/oci/runtime_spec.h"
#include "libcommon/os/caps.h"

namespace proa::runtime {

using Bpf = std::vector<sock_filter>;

// Allow-list; unknown calls get ENOSYS, known and refused ones EPERM. Some calls come with capabilities of the
// container.
oci::SeccompProfile default_seccomp_profile(os::CapSet capabilities);
// docker's and podman's profile files have includes and excludes by capability and architecture; resolves them.
oci::SeccompProfile parse_seccomp_profile(std::string_view json, os::CapSet capabilities);

// Compiles with libseccomp (milliseconds). Names the kernel headers of the build do not know are skipped, as runc and
// crun do.
Bpf compile_seccomp(const oci::SeccompProfile& profile);
// The compiled filter out of `cache_directory` (created 0700), compiled and stored there on first use. A cache file is
// used only when it is ours, 0600, and holds exactly this profile. An unusable cache costs time, never safety.
Bpf load_seccomp(const oci::SeccompProfile& profile, const std::string& cache_directory);
// How calls that need more than one mapped id are answered.
enum class SingleId : std::uint8_t { No, Answer, Record };
// With success, and without an effect: the chown family, setgroups, set*id, and mknod of devices. With Record the chown
// family is handed to a listener (owner_recorder.h). For IdMode::Single; a second filter, loaded beside the profile.
// File capabilities need no help: the kernel stores them with the id of the user namespace (Linux 4.14).
oci::SeccompProfile single_id_emulation(SingleId how);

}  // namespace proa::runtime
