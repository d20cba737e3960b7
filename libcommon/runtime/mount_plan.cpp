#include "libcommon/runtime/mount_plan.h"

#include <fmt/core.h>
#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <optional>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::runtime {
namespace {

struct FlagOption {
  std::string_view name;
  std::uint64_t set, clear;
};

// config-linux.md "Linux mount options", those of mount_setattr(2). A time option replaces the others of its field.
constexpr std::array<FlagOption, 19> kFlags{{
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
    {"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"norelatime", 0, 0},
    {"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"atime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"nostrictatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"defaults", 0, 0},
}};

struct PropagationOption {
  std::string_view name;
  std::uint64_t flag;
};
constexpr std::array<PropagationOption, 4> kPropagations{
    {{"private", MS_PRIVATE}, {"slave", MS_SLAVE}, {"shared", MS_SHARED}, {"unbindable", MS_UNBINDABLE}}};

// Files of /proc that tools like lxcfs replace; anything else there would fool the runtime or programs
// (CVE-2019-16884).
constexpr std::array<std::string_view, 10> kProcFiles{
    "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo",  "/proc/stat",    "/proc/swaps",
    "/proc/uptime",  "/proc/loadavg",   "/proc/slabinfo", "/proc/net/dev", "/proc/sys/kernel/ns_last_pid"};

const FlagOption* find_flag(std::string_view name) {
  auto found = std::find_if(kFlags.begin(), kFlags.end(), [&](const auto& flag) { return flag.name == name; });
  return found == kFlags.end() ? nullptr : &*found;
}

std::optional<std::uint64_t> find_propagation(std::string_view name) {
  for (const auto& option : kPropagations) {
    if (option.name == name) return option.flag;
  }
  return std::nullopt;
}

bool apply_flag(MountStep& step, std::string_view option) {
  if (const auto* flag = find_flag(option)) {
    step.set = (step.set & ~flag->clear) | flag->set;
    step.clear = (step.clear & ~flag->set) | flag->clear;
    return true;
  }
  if (auto propagation = find_propagation(option)) {
    step.propagation = *propagation;
    step.propagation_recursive = false;
    return true;
  }
  if (!option.starts_with('r')) return false;
  std::string_view rest = option.substr(1);
  if (auto propagation = find_propagation(rest)) {
    step.propagation = *propagation;
    step.propagation_recursive = true;
    return true;
  }
  if (const auto* flag = find_flag(rest)) {  // rro, rnosuid, ...
    step.recursive_set |= flag->set;
    step.recursive_clear |= flag->clear;
    return true;
  }
  return false;
}

void apply_option(MountStep& step, const std::string& option, bool& bind) {
  if (option == "bind" || option == "rbind") {
    bind = true;
    step.recursive = option == "rbind";
  } else if (option == "tmpcopyup") {
    step.copy_up = true;
  } else if (option == "notmpcopyup" || option == "copyup" || option == "nocopyup" || option == "sync" ||
             option == "async" || option == "z" || option == "Z" || option == "U" || option.empty() ||
             option == "newinstance") {
    // Without meaning here: labels and ownership of sources are the engine's part; devpts is always a new instance.
  } else if (!apply_flag(step, option)) {
    auto pair = cut(option, "=");
    step.parameters.emplace_back(pair ? std::string(pair->first) : option, pair ? std::string(pair->second) : "");
  }
}

void check_target(const MountStep& step, const std::string& clean) {
  if (!is_below(clean, "/proc")) return;
  if (clean == "/proc" && step.kind == MountStep::Kind::Filesystem && step.type == "proc") return;
  if (std::find(kProcFiles.begin(), kProcFiles.end(), clean) != kProcFiles.end()) return;
  // A bind of the host's own /proc is what sharing its pid namespace looks like; the source is checked when it is
  // opened.
  if (clean == "/proc" && step.kind == MountStep::Kind::Bind && clean_path(step.source) == "/proc") return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("mount on {}: nothing may be mounted on or below /proc", step.target));
}

void settle_filesystem(MountStep& step, const oci::RuntimeSpec& spec, const MountFacts& facts) {
  if (step.type == "devpts") {
    // Groups that do not exist in this user namespace cannot own terminals.
    std::erase_if(step.parameters, [&](const auto& parameter) {
      return parameter.first == "gid" &&
             parse_integer<std::uint64_t>(parameter.second).value_or(0) >= facts.mapped_gids;
    });
  }
  bool own_net = spec.find_namespace("network") != nullptr;
  bool own_ipc = spec.find_namespace("ipc") != nullptr;
  if (step.type == "sysfs") step.bind_when_refused = true;
  if (step.type == "mqueue") step.bind_when_refused = facts.in_user_namespace && !own_ipc;
  if (step.type == "sysfs" && facts.in_user_namespace && !own_net) {
    step.kind = MountStep::Kind::Bind;
    step.source = "/sys";
    step.recursive = true;
    step.recursive_set = step.set;
    step.parameters.clear();
  }
  if (step.type == "cgroup" || step.type == "cgroup2") {
    step.kind = MountStep::Kind::Cgroup;
    step.parameters.clear();
    // A shared cgroup namespace shows groups of others: never writable (CVE-2023-25809).
    if (spec.find_namespace("cgroup") == nullptr) step.set |= MOUNT_ATTR_RDONLY;
  }
  if (step.type == "tmpfs") {
    // Without a mode of its own a tmpfs is 1777 in the kernel, but the mode of the directory below it in every runtime.
    std::erase_if(step.parameters, [](const auto& parameter) { return parameter.first == "tmpfs"; });
  }
}

MountStep plan_mount(const oci::RuntimeMount& mount, const oci::RuntimeSpec& spec, const MountFacts& facts) {
  MountStep step;
  step.target = mount.destination;
  step.type = mount.type;
  bool bind = mount.type == "bind" || mount.type == "none";
  for (const auto& option : mount.options) apply_option(step, option, bind);
  if (mount.type == "rbind") bind = step.recursive = true;
  if (!mount.uid_mappings.empty() || !mount.gid_mappings.empty()) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("mount on {}: id-mapped mounts are not supported", mount.destination));
  }
  if (bind) {
    step.kind = MountStep::Kind::Bind;
    step.type.clear();
    step.source = mount.source;
    if (!step.parameters.empty()) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("mount on {}: option {} does not fit a bind mount",
                                                          mount.destination, step.parameters.front().first));
    }
  } else {
    if (step.type.empty())
      throw Error(ErrorCode::InvalidArgument, fmt::format("mount on {}: no type", mount.destination));
    step.source = mount.source;
    settle_filesystem(step, spec, facts);
  }
  check_target(step, clean_path(step.target));
  return step;
}

}  // namespace

std::string clean_path(std::string_view path) {
  std::vector<std::string> kept;
  for (auto& part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.push_back(std::move(part));
    }
  }
  return "/" + join(kept, "/");
}

bool is_below(std::string_view path, std::string_view directory) {
  if (!path.starts_with(directory)) return false;
  return path.size() == directory.size() || path[directory.size()] == '/';
}

std::vector<MountStep> plan_mounts(const oci::RuntimeSpec& spec, const MountFacts& facts) {
  std::vector<MountStep> steps;
  for (const auto& mount : spec.mounts) steps.push_back(plan_mount(mount, spec, facts));
  return steps;
}

}  // namespace proa::runtime
