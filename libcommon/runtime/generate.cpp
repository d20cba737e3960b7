#include "libcommon/runtime/generate.h"

#include <fmt/core.h>
#include <linux/capability.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/runtime/mount_plan.h"
#include "libcommon/runtime/seccomp.h"

namespace proa::runtime {
namespace {

using Kind = NamespaceChoice::Kind;

constexpr os::CapSet kDefaultCapabilities =
    os::cap_bit(CAP_CHOWN) | os::cap_bit(CAP_DAC_OVERRIDE) | os::cap_bit(CAP_FOWNER) | os::cap_bit(CAP_FSETID) |
    os::cap_bit(CAP_KILL) | os::cap_bit(CAP_NET_BIND_SERVICE) | os::cap_bit(CAP_SETFCAP) | os::cap_bit(CAP_SETGID) |
    os::cap_bit(CAP_SETPCAP) | os::cap_bit(CAP_SETUID) | os::cap_bit(CAP_SYS_CHROOT);
constexpr const char* kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::uint32_t kTtyGroup = 5;

os::CapSet parse_capabilities(const std::vector<std::string>& names, os::CapSet known, std::string_view option) {
  os::CapSet set = 0;
  for (const auto& name : names) {
    if (to_lower(name) == "all") {
      set |= known;
      continue;
    }
    auto number = os::capability_number(name);
    if (!number)
      throw Error(ErrorCode::InvalidArgument, fmt::format("{}: unknown capability {}", option, escape_control(name)));
    set |= os::cap_bit(*number);
  }
  return set & known;
}

os::CapSet effective_set(const ContainerSpec& spec, const HostFacts& facts, std::vector<std::string>& notes) {
  os::CapSet add = parse_capabilities(spec.cap_add, facts.capabilities, "--cap-add");
  for (const auto& name : spec.cap_add) {
    if (to_lower(name) == "all" || (parse_capabilities({name}, facts.capabilities, "--cap-add") != 0)) continue;
    notes.push_back(fmt::format("--cap-add {} gives nothing: proa was started without that capability", name));
  }
  os::CapSet drop = parse_capabilities(spec.cap_drop, facts.capabilities, "--cap-drop");
  bool drop_all =
      std::any_of(spec.cap_drop.begin(), spec.cap_drop.end(), [](const auto& n) { return to_lower(n) == "all"; });
  if (spec.privileged) return facts.capabilities & ~drop;
  os::CapSet base = drop_all ? 0 : kDefaultCapabilities & facts.capabilities;
  // What is named is meant: --cap-drop all --cap-add chown leaves chown.
  return drop_all ? add : (base | add) & ~drop;
}

void add_capabilities(oci::RuntimeProcess& process, const ContainerSpec& spec, os::CapSet set, bool emulated_user) {
  auto names = os::capability_names(set);
  oci::RuntimeCapabilities caps;
  // An emulated user is uid 0, to whom an exec gives back whatever the bounding set holds.
  if (!emulated_user) caps.bounding = names;
  // Inheritable and ambient stay empty (CVE-2022-24769). A user other than root starts with none, unless they were
  // asked for.
  bool is_root = process.user.uid == 0 && !emulated_user;
  if (is_root || (!emulated_user && !spec.cap_add.empty())) {
    auto given =
        is_root ? names : os::capability_names(set & parse_capabilities(spec.cap_add, ~os::CapSet{0}, "--cap-add"));
    caps.effective = caps.permitted = given;
    // Without ambient ones the exec of a user other than root would lose what --cap-add gave; the kernel demands
    // inheritable too.
    if (!is_root) caps.inheritable = caps.ambient = given;
  }
  process.capabilities = std::move(caps);
}

void set_default(std::vector<std::string>& env, const std::string& entry) {
  std::string prefix = entry.substr(0, entry.find('=') + 1);
  bool present = std::any_of(env.begin(), env.end(), [&](const auto& other) { return other.starts_with(prefix); });
  if (!present) env.push_back(entry);
}

std::vector<std::string> merge_environment(const ContainerSpec& spec, const HostFacts& facts,
                                           const std::string& hostname) {
  std::vector<std::string> env;
  for (const auto& entry : spec.env) {
    auto equals = entry.find('=');
    if (equals == std::string::npos || equals == 0)
      continue;  // never looked up in the host's environment (CVE-2026-57231)
    std::string prefix = entry.substr(0, equals + 1);
    std::erase_if(env, [&](const auto& other) { return other.starts_with(prefix); });
    env.push_back(entry);
  }
  set_default(env, kDefaultPath);
  set_default(env, "HOME=" + spec.identity.home);
  if (!hostname.empty()) set_default(env, "HOSTNAME=" + hostname);
  if (spec.terminal) set_default(env, "TERM=" + (facts.terminal_type.empty() ? "xterm" : facts.terminal_type));
  set_default(env, "container=proa");
  return env;
}

void add_namespace(oci::RuntimeSpec& out, const char* type, const NamespaceChoice& choice) {
  if (choice.kind == Kind::Private) out.linux_.namespaces.push_back({type, {}});
  if (choice.kind == Kind::Join) out.linux_.namespaces.push_back({type, choice.path});
}

void add_namespaces(oci::RuntimeSpec& out, const ContainerSpec& spec) {
  add_namespace(out, "user", spec.user);
  add_namespace(out, "pid", spec.pid);
  add_namespace(out, "network", spec.net);
  add_namespace(out, "ipc", spec.ipc);
  add_namespace(out, "uts", spec.uts);
  add_namespace(out, "mount", {});
  add_namespace(out, "cgroup", spec.cgroup);
  add_namespace(out, "time", spec.time);
  if (spec.user.kind == Kind::Private) {
    for (const auto& entry : spec.uids) out.linux_.uid_mappings.push_back({entry.inside, entry.outside, entry.count});
    for (const auto& entry : spec.gids) out.linux_.gid_mappings.push_back({entry.inside, entry.outside, entry.count});
  }
}

void add_system_mounts(oci::RuntimeSpec& out, const ContainerSpec& spec, const HostFacts& facts) {
  auto& mounts = out.mounts;
  // Another pid namespace's procfs cannot be mounted anew where the user namespace does not own it.
  if (spec.pid.kind == Kind::Host && facts.in_user_namespace) {
    mounts.push_back({"/proc", "bind", "/proc", {"rbind", "nosuid", "noexec", "nodev"}, {}, {}});
  } else {
    mounts.push_back({"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}, {}, {}});
  }
  mounts.push_back({"/dev", "tmpfs", "tmpfs", {"nosuid", "noexec", "strictatime", "mode=755", "size=65536k"}, {}, {}});
  std::vector<std::string> pts{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"};
  if (facts.mapped_ids > kTtyGroup) pts.push_back(fmt::format("gid={}", kTtyGroup));
  mounts.push_back({"/dev/pts", "devpts", "devpts", pts, {}, {}});
  std::string access = spec.privileged ? "rw" : "ro";
  mounts.push_back({"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}, {}, {}});
  mounts.push_back({"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", access}, {}, {}});
  if (spec.ipc.kind == Kind::Host) {
    mounts.push_back({"/dev/shm", "bind", "/dev/shm", {"rbind", "nosuid", "noexec", "nodev"}, {}, {}});
    if (facts.mqueue)
      mounts.push_back({"/dev/mqueue", "bind", "/dev/mqueue", {"rbind", "nosuid", "noexec", "nodev"}, {}, {}});
  } else {
    mounts.push_back({"/dev/shm",
                      "tmpfs",
                      "shm",
                      {"nosuid", "noexec", "nodev", "mode=1777", fmt::format("size={}", spec.shm_size)},
                      {},
                      {}});
    mounts.push_back({"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}, {}, {}});
  }
}

oci::RuntimeMount user_mount(const MountRequest& request) {
  oci::RuntimeMount mount;
  mount.destination = request.target;
  mount.options = request.options;
  if (!request.target.starts_with('/')) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("mount on {}: not an absolute path", escape_control(request.target)));
  }
  switch (request.kind) {
    case MountRequest::Kind::Bind:
      mount.type = "bind";
      mount.source = request.source;
      mount.options.emplace_back(request.recursive ? "rbind" : "bind");
      mount.options.push_back(request.propagation.empty() ? "rprivate" : request.propagation);
      break;
    case MountRequest::Kind::Tmpfs:
      mount.type = mount.source = "tmpfs";
      mount.options.insert(mount.options.begin(), {"nosuid", "nodev"});
      break;
    case MountRequest::Kind::Devpts:
      mount.type = mount.source = "devpts";
      break;
    case MountRequest::Kind::Mqueue:
      mount.type = mount.source = "mqueue";
      break;
    case MountRequest::Kind::Ramfs:
      mount.type = mount.source = "ramfs";
      break;
  }
  if (request.read_only) mount.options.emplace_back("ro");
  return mount;
}

void add_user_mounts(oci::RuntimeSpec& out, const ContainerSpec& spec) {
  std::vector<MountRequest> requests = spec.mounts;
  auto taken = [&](const std::string& path) {
    return std::any_of(requests.begin(), requests.end(), [&](const auto& r) { return clean_path(r.target) == path; });
  };
  if (spec.read_only && spec.read_only_tmpfs) {
    for (const char* path : {"/run", "/tmp", "/var/tmp"}) {
      if (taken(path)) continue;
      MountRequest request;
      request.kind = MountRequest::Kind::Tmpfs;
      request.target = path;
      request.options = {"rw", "tmpcopyup"};
      requests.push_back(std::move(request));
    }
  }
  // Outer mounts first, so that one does not hide another; a target given by the user replaces ours.
  std::stable_sort(requests.begin(), requests.end(), [](const auto& a, const auto& b) {
    auto depth = [](const std::string& path) {
      std::string clean = clean_path(path);
      return clean == "/" ? 0 : std::count(clean.begin(), clean.end(), '/');
    };
    return depth(a.target) < depth(b.target);
  });
  for (const auto& request : requests) {
    auto clean = clean_path(request.target);
    if (clean == "/") throw Error(ErrorCode::InvalidArgument, "nothing may be mounted on / of the container");
    std::erase_if(out.mounts, [&](const auto& mount) { return mount.destination == clean && clean != "/proc"; });
    out.mounts.push_back(user_mount(request));
  }
}

// Where nodes cannot be made, the host's are bound.
void add_devices(oci::RuntimeSpec& out, const HostFacts& facts) {
  for (const auto& [host_path, device] : facts.devices) {
    if (facts.in_user_namespace) {
      out.mounts.push_back({device.path, "bind", host_path, {"bind", "nosuid", "noexec", "rprivate"}, {}, {}});
    } else {
      out.linux_.devices.push_back(device);
    }
  }
}

bool covers(const std::vector<std::string>& unmask, const std::string& path) {
  return std::any_of(unmask.begin(), unmask.end(),
                     [&](const auto& one) { return to_lower(one) == "all" || clean_path(one) == path; });
}

void add_masks(oci::RuntimeSpec& out, const ContainerSpec& spec) {
  if (spec.privileged) return;
  for (const auto& path : default_masked_paths()) {
    if (!covers(spec.unmask, path)) out.linux_.masked_paths.push_back(path);
  }
  for (const auto& path : spec.mask) out.linux_.masked_paths.push_back(clean_path(path));
  for (const auto& path : default_readonly_paths()) {
    if (!covers(spec.unmask, path)) out.linux_.readonly_paths.push_back(path);
  }
}

void add_security(Generated& out, const ContainerSpec& spec, const HostFacts& facts, os::CapSet caps) {
  auto& process = *out.spec.process;
  process.no_new_privileges = spec.no_new_privileges;
  process.apparmor_profile = spec.apparmor_profile;
  process.selinux_label = spec.selinux_label;
  bool wants_apparmor = !spec.apparmor_profile.empty() && spec.apparmor_profile != "unconfined";
  if (wants_apparmor && !facts.apparmor) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("AppArmor profile {}: AppArmor is not enabled here", spec.apparmor_profile));
  }
  if (!spec.selinux_label.empty() && !facts.selinux) throw Error(ErrorCode::Unsupported, "SELinux is not enabled here");
  if (spec.seccomp.kind == SeccompChoice::Kind::Profile) {
    out.spec.linux_.seccomp = parse_seccomp_profile(spec.seccomp.profile, caps);
  } else if (spec.seccomp.kind == SeccompChoice::Kind::Default && !spec.privileged) {
    out.spec.linux_.seccomp = default_seccomp_profile(caps);
  }
}

struct LimitNeed {
  bool wanted;
  const char* controller;
  const char* what;
};

void add_resources(Generated& out, const ContainerSpec& spec, const HostFacts& facts) {
  const auto& r = spec.resources;
  bool cpu = r.cpu_shares || r.cpu_period || r.cpu_quota || r.cpu_idle;
  for (const LimitNeed& need :
       {LimitNeed{r.memory_limit || r.memory_reservation || r.memory_swap, "memory", "memory limits"},
        LimitNeed{cpu, "cpu", "cpu limits"}, LimitNeed{!r.cpus.empty() || !r.mems.empty(), "cpuset", "cpu sets"},
        LimitNeed{r.pids_limit.has_value(), "pids", "the limit of processes"},
        LimitNeed{r.block_io_weight.has_value(), "io", "block I/O weights"}}) {
    const auto& have = facts.cgroup_controllers;
    if (need.wanted && std::find(have.begin(), have.end(), need.controller) == have.end()) {
      out.notes.push_back(fmt::format("{} cannot be kept: the cgroup controller {} is not delegated to us", need.what,
                                      need.controller));
    }
  }
  out.spec.linux_.resources = r;
  out.spec.linux_.cgroups_path = spec.cgroups_path;
}

// With one mapped id, that one becomes the user's, in a user namespace of the container's own: then the command is who
// it was told to be, and owns what the image and its folders hold. Namespaces of other containers belong to the outer
// one and could not be joined from there.
ContainerSpec with_one_id(const ContainerSpec& wanted, const HostFacts& facts) {
  ContainerSpec spec = wanted;
  const auto& identity = wanted.identity;
  const bool joins = [&] {
    for (const auto* space : {&wanted.pid, &wanted.ipc, &wanted.net, &wanted.uts, &wanted.cgroup, &wanted.time}) {
      if (space->kind == Kind::Join) return true;
    }
    return false;
  }();
  if (facts.id_mode != os::IdMode::Single || wanted.user.kind != Kind::Host || joins) return spec;
  if (identity.uid < facts.mapped_ids && identity.gid < facts.mapped_ids) return spec;
  spec.user = {};
  spec.uids = {{identity.uid, 0, 1}};
  spec.gids = {{identity.gid, 0, 1}};
  return spec;
}

// The user of the process. Where one id is mapped and it cannot be the user's, the command runs as it is mapped, but
// without root's capabilities.
bool add_user(Generated& out, const ContainerSpec& spec, const HostFacts& facts) {
  auto& user = out.spec.process->user;
  const auto& identity = spec.identity;
  const bool own_map = spec.user.kind == Kind::Private;
  const std::uint64_t limit = own_map ? os::id_map_size(spec.uids) : facts.mapped_ids;
  const auto mapped = [&](const os::IdMap& map, std::uint32_t id) {
    return own_map ? os::id_to_outside(map, id).has_value() : id < limit;
  };
  const bool fits = mapped(spec.uids, identity.uid) && mapped(spec.gids, identity.gid);
  if (!fits && facts.id_mode == os::IdMode::Single) {
    out.notes.push_back(fmt::format(
        "user {} runs as uid 0 without capabilities: one id is mapped, and namespaces are shared with another "
        "container",
        identity.uid));
    return true;
  }
  if (!fits) {
    throw Error(
        ErrorCode::InvalidArgument,
        fmt::format("user {}:{} is outside of the {} ids that are mapped here", identity.uid, identity.gid, limit),
        "give the user more subordinate ids in /etc/subuid and /etc/subgid");
  }
  user.uid = identity.uid;
  user.gid = identity.gid;
  for (auto group : identity.groups) {
    if (mapped(spec.gids, group)) user.additional_gids.push_back(group);
  }
  return false;
}

}  // namespace

os::CapSet default_capabilities() { return kDefaultCapabilities; }

const std::vector<std::string>& default_masked_paths() {
  static const std::vector<std::string> paths{
      "/proc/acpi",        "/proc/asound",    "/proc/interrupts",
      "/proc/kcore",       "/proc/keys",      "/proc/latency_stats",
      "/proc/sched_debug", "/proc/scsi",      "/proc/timer_list",
      "/proc/timer_stats", "/sys/dev/block",  "/sys/devices/virtual/powercap",
      "/sys/firmware",     "/sys/fs/selinux", "/sys/devices/system/cpu/cpu0/thermal_throttle"};
  return paths;
}

const std::vector<std::string>& default_readonly_paths() {
  static const std::vector<std::string> paths{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  return paths;
}

void check_sysctl(const std::string& key, const std::string& value, const oci::RuntimeSpec& spec) {
  auto own = [&](const char* type) { return spec.find_namespace(type) != nullptr; };
  std::string dotted = key.find('/') != std::string::npos ? replace_all(key, "/", ".") : key;
  static const std::vector<std::string> ipc{"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
                                            "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
                                            "kernel.shmmni", "kernel.shm_rmid_forced"};
  bool is_ipc = std::find(ipc.begin(), ipc.end(), dotted) != ipc.end() || dotted.starts_with("fs.mqueue.");
  bool is_net = dotted.starts_with("net.");
  bool is_uts = dotted == "kernel.domainname";
  bool allowed = (is_ipc && own("ipc")) || (is_net && own("network")) || (is_uts && own("uts"));
  if (!allowed) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("sysctl {} does not belong to a namespace of the container", escape_control(key)));
  }
  bool clean = dotted.find("..") == std::string::npos &&
               std::all_of(key.begin(), key.end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
  bool one_line = value.find_first_of(std::string_view("\n\0", 2)) == std::string::npos;
  if (!clean || !one_line)
    throw Error(ErrorCode::InvalidArgument, fmt::format("sysctl {}: bad name or value", escape_control(key)));
}

Generated generate(const ContainerSpec& wanted, const HostFacts& facts) {
  if (wanted.args.empty()) throw Error(ErrorCode::InvalidArgument, "no command to run");
  const ContainerSpec spec = with_one_id(wanted, facts);
  Generated out;
  auto& result = out.spec;
  auto& process = result.process.emplace();
  result.root_path = spec.root_path;
  result.root_readonly = spec.read_only;
  if (spec.uts.kind == Kind::Private) {
    result.hostname = spec.hostname;
    result.domainname = spec.domainname;
  }
  process.terminal = spec.terminal;
  process.console_size = spec.console_size;
  process.args = spec.args;
  process.env = merge_environment(spec, facts, spec.hostname);
  process.cwd = spec.cwd.starts_with('/') ? spec.cwd : "/" + spec.cwd;
  process.rlimits = spec.rlimits;
  process.oom_score_adj = spec.oom_score_adj;
  bool emulated = add_user(out, spec, facts);
  process.user.umask = spec.umask;
  os::CapSet caps = effective_set(spec, facts, out.notes);
  add_capabilities(process, spec, caps, emulated);
  add_namespaces(result, spec);
  add_system_mounts(result, spec, facts);
  add_user_mounts(result, spec);
  add_masks(result, spec);
  add_security(out, spec, facts, caps);
  add_resources(out, spec, facts);
  add_devices(result, facts);
  result.linux_.resources->devices = spec.device_cgroup_rules;
  for (const auto& [key, value] : spec.sysctls) check_sysctl(key, value, result);
  result.linux_.sysctl = spec.sysctls;
  // As docker does: below its own network a service of an image's ordinary user may listen on port 80 (Linux 4.11).
  if (spec.net.kind == Kind::Private) result.linux_.sysctl.emplace("net.ipv4.ip_unprivileged_port_start", "0");
  result.annotations = spec.annotations;
  // Shows mistakes here, where nothing was touched yet.
  plan_mounts(result, {facts.in_user_namespace, facts.mapped_ids, facts.cgroup_v2});
  return out;
}

}  // namespace proa::runtime
