// What the user asked for, after image and command line were merged; generate() makes a config.json of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/oci/runtime_spec.h"
#include "libcommon/os/idmap.h"
#include "libcommon/runtime/identity.h"

namespace proa::runtime {

struct NamespaceChoice {
  enum class Kind { Private, Host, Join } kind = Kind::Private;
  std::string path;  // Join: /proc/PID/ns/net, ...

  static NamespaceChoice host() { return {Kind::Host, {}}; }
  static NamespaceChoice join(std::string path) { return {Kind::Join, std::move(path)}; }
};

// One -v, --mount, --tmpfs or volume. Sources are opened by the container's init before it leaves the host's mounts; a
// caller that has a descriptor (a volume's subpath, a build context) names it as /proc/self/fd/N and keeps it open
// until the launch returned.
struct MountRequest {
  enum class Kind { Bind, Tmpfs, Devpts, Mqueue, Ramfs } kind = Kind::Bind;
  std::string source;
  std::string target;  // absolute path inside the container; mount points that are missing are made by the resolver
  bool read_only = false;
  bool recursive = true;             // rbind
  std::string propagation;           // "rprivate", "rslave", "rshared", "private", "slave", "shared"; empty: rprivate
  std::vector<std::string> options;  // nosuid nodev noexec size=... mode=... and the like
};

struct DeviceRequest {
  std::string host_path, container_path;
  std::string access = "rwm";
};

struct SeccompChoice {
  enum class Kind { Default, Unconfined, Profile } kind = Kind::Default;
  std::string
      profile;  // JSON as docker and podman write it (with includes/excludes) or as the runtime specification has it
};

struct ContainerSpec {
  std::vector<std::string> args;  // entrypoint and command, merged; never empty
  // "K=V", later ones win. An entry without "=" is dropped. PATH, HOME, TERM (with a terminal), HOSTNAME and
  // container=proa are added when not set.
  std::vector<std::string> env;
  Identity identity;
  std::string cwd = "/";  // made when missing, with the resolver
  bool terminal = false;
  std::optional<oci::ConsoleSize> console_size;
  std::optional<std::uint32_t> umask;

  std::string root_path = "rootfs";  // relative to the bundle
  bool read_only = false;
  bool read_only_tmpfs = true;  // with read_only: tmpfs on /tmp /var/tmp /run
  std::vector<MountRequest> mounts;
  std::uint64_t shm_size = 65536000;  // as podman and docker have it

  std::string hostname, domainname;  // hostname empty with a private uts namespace: as given by the caller's id
  NamespaceChoice user = NamespaceChoice::host(), pid, ipc, net, uts, cgroup, time = NamespaceChoice::host();
  // With user.kind Private: the maps of the container inside ours.
  os::IdMap uids, gids;

  bool privileged = false;
  std::vector<std::string> cap_add, cap_drop;  // names, or "all"
  bool no_new_privileges = false;
  SeccompChoice seccomp;
  std::string apparmor_profile, selinux_label;
  std::vector<std::string> mask, unmask;  // unmask may hold "ALL"
  std::vector<DeviceRequest> devices;
  std::vector<oci::DeviceRule> device_cgroup_rules;

  std::map<std::string, std::string> sysctls;
  std::vector<oci::Rlimit> rlimits;
  std::optional<int> oom_score_adj;
  oci::RuntimeResources resources;
  std::string cgroups_path;
  std::map<std::string, std::string> annotations;  // ours only; those of images never come here
};

}  // namespace proa::runtime
