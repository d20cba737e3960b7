// The mounts of a container as data: what a config.json means on this host, in the order in which it is carried out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcommon/oci/runtime_spec.h"
#include "libcommon/os/mount.h"

namespace proa::runtime {

struct MountStep {
  enum class Kind {
    Filesystem,  // a new instance of `type`
    Bind,
    Cgroup,  // cgroup2, or what can be had of it
  };
  Kind kind = Kind::Filesystem;
  std::string type;    // of the file system
  std::string source;  // Bind: path on the host, or relative to the bundle
  std::string target;
  std::uint64_t set = 0, clear = 0;                      // MOUNT_ATTR_*
  std::uint64_t recursive_set = 0, recursive_clear = 0;  // rro and the like: whole tree (Linux 5.12)
  std::uint64_t propagation = 0;                         // MS_*; 0: private
  bool propagation_recursive = false;
  bool recursive = false;  // rbind
  bool copy_up = false;    // tmpcopyup: fill the tmpfs with what was below
  os::MountParameters parameters;
  bool bind_when_refused = false;  // sysfs, mqueue: the host's when we own no such namespace
  bool operator==(const MountStep&) const = default;
};

struct MountFacts {
  bool in_user_namespace = false;
  std::uint64_t mapped_gids = 4294967295;
  bool cgroup_v2 = false;
};

// Throws InvalidArgument naming the mount: unknown options, a destination on or below /proc.
std::vector<MountStep> plan_mounts(const oci::RuntimeSpec& spec, const MountFacts& facts);

// The path in its shortest form, absolute, without "." and ".."; links are the resolver's business.
std::string clean_path(std::string_view path);
bool is_below(std::string_view path, std::string_view directory);  // or the same

}  // namespace proa::runtime
