// config.json of a bundle as typed values: runtime-spec v1.2 config.md, config-linux.md. Data and its JSON form, no
// decisions. Parsing is strict in types and keeps to what proa can do: members that limit a container and that we do
// not know are refused where the specification demands it (unknown namespaces, seccomp actions); other unknown members
// are ignored, as the specification allows.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa::oci {

inline constexpr std::uint64_t kMaxRuntimeSpecSize = 4u << 20;

struct RuntimeUser {
  std::uint32_t uid = 0, gid = 0;
  std::optional<std::uint32_t> umask;
  std::vector<std::uint32_t> additional_gids;
  bool operator==(const RuntimeUser&) const = default;
};

struct ConsoleSize {
  std::uint16_t height = 0, width = 0;
  bool operator==(const ConsoleSize&) const = default;
};

struct Rlimit {
  std::string type;  // "RLIMIT_NOFILE"
  std::uint64_t hard = 0, soft = 0;
  bool operator==(const Rlimit&) const = default;
};

struct RuntimeCapabilities {
  std::vector<std::string> bounding, effective, inheritable, permitted, ambient;
  bool operator==(const RuntimeCapabilities&) const = default;
};

struct RuntimeProcess {
  bool terminal = false;
  std::optional<ConsoleSize> console_size;
  RuntimeUser user;
  std::vector<std::string> args, env;
  std::string cwd = "/";
  std::optional<RuntimeCapabilities> capabilities;
  std::vector<Rlimit> rlimits;
  bool no_new_privileges = false;
  std::string apparmor_profile, selinux_label;
  std::optional<int> oom_score_adj;
  bool operator==(const RuntimeProcess&) const = default;

  static RuntimeProcess parse(std::string_view json);  // process.json of `exec --process`
  std::string encode() const;
};

struct RuntimeIdMapping {
  std::uint32_t container_id = 0, host_id = 0, size = 0;
  bool operator==(const RuntimeIdMapping&) const = default;
};

struct RuntimeMount {
  std::string destination, type, source;
  std::vector<std::string> options;
  std::vector<RuntimeIdMapping> uid_mappings, gid_mappings;
  bool operator==(const RuntimeMount&) const = default;
};

struct RuntimeHook {
  std::string path;
  std::vector<std::string> args, env;
  std::optional<int> timeout;  // seconds
  bool operator==(const RuntimeHook&) const = default;
};

struct RuntimeHooks {
  std::vector<RuntimeHook> prestart, create_runtime, create_container, start_container, poststart, poststop;
  bool operator==(const RuntimeHooks&) const = default;
};

struct RuntimeNamespace {
  std::string type, path;  // empty path: a new one
  bool operator==(const RuntimeNamespace&) const = default;
};

struct RuntimeDevice {
  std::string path, type;
  std::int64_t major = 0, minor = 0;
  std::optional<std::uint32_t> file_mode, uid, gid;
  bool operator==(const RuntimeDevice&) const = default;
};

struct DeviceRule {
  bool allow = false;
  std::string type;
  std::optional<std::int64_t> major, minor;
  std::string access;
  bool operator==(const DeviceRule&) const = default;
};

struct RuntimeResources {
  std::vector<DeviceRule> devices;
  std::optional<std::int64_t> memory_limit, memory_reservation, memory_swap;
  std::optional<std::uint64_t> cpu_shares, cpu_period;
  std::optional<std::int64_t> cpu_quota;
  std::optional<std::int64_t> cpu_idle;
  std::string cpus, mems;
  std::optional<std::int64_t> pids_limit;
  std::optional<std::uint16_t> block_io_weight;
  std::map<std::string, std::string> unified;
  bool operator==(const RuntimeResources&) const = default;

  static RuntimeResources parse(std::string_view json);  // the object by itself; throws InvalidArgument
};

struct SeccompArgument {
  unsigned index = 0;
  std::uint64_t value = 0, value_two = 0;
  std::string op;  // "SCMP_CMP_EQ"
  bool operator==(const SeccompArgument&) const = default;
};

struct SeccompRule {
  std::vector<std::string> names;
  std::string action;  // "SCMP_ACT_ALLOW"
  std::optional<unsigned> errno_ret;
  std::vector<SeccompArgument> args;  // all must hold
  bool operator==(const SeccompRule&) const = default;
};

struct SeccompProfile {
  std::string default_action;
  std::optional<unsigned> default_errno_ret;
  std::vector<std::string> architectures;  // "SCMP_ARCH_X86_64"
  std::vector<std::string> flags;
  std::vector<SeccompRule> syscalls;
  std::string listener_path, listener_metadata;
  bool operator==(const SeccompProfile&) const = default;

  std::string encode() const;
};

struct TimeOffset {
  std::int64_t secs = 0;
  std::uint32_t nanosecs = 0;
  bool operator==(const TimeOffset&) const = default;
};

struct RuntimeLinux {
  std::vector<RuntimeIdMapping> uid_mappings, gid_mappings;
  std::map<std::string, std::string> sysctl;
  std::optional<RuntimeResources> resources;
  std::string cgroups_path;
  std::vector<RuntimeNamespace> namespaces;
  std::vector<RuntimeDevice> devices;
  std::optional<SeccompProfile> seccomp;
  std::string rootfs_propagation, mount_label;
  std::vector<std::string> masked_paths, readonly_paths;
  std::map<std::string, TimeOffset> time_offsets;
  std::string personality_domain;
  bool operator==(const RuntimeLinux&) const = default;
};

struct RuntimeSpec {
  std::string oci_version = "1.0.2";
  std::optional<RuntimeProcess> process;
  std::string root_path;
  bool root_readonly = false;
  std::string hostname, domainname;
  std::vector<RuntimeMount> mounts;
  RuntimeHooks hooks;
  std::map<std::string, std::string> annotations;
  RuntimeLinux linux_;
  bool operator==(const RuntimeSpec&) const = default;

  static RuntimeSpec parse(std::string_view json);  // throws InvalidArgument naming the member
  std::string encode() const;                       // indented, members in the order of the specification

  // The namespace of a type, or nullptr when the container shares the caller's.
  const RuntimeNamespace* find_namespace(std::string_view type) const;
};

// "state" of runtime-spec runtime.md.
struct RuntimeState {
  std::string oci_version = "1.0.2";
  std::string id, status;  // creating, created, running, stopped (and paused, as runc and crun say)
  int pid = 0;
  std::string bundle;
  std::map<std::string, std::string> annotations;

  std::string encode() const;
};

}  // namespace proa::oci
