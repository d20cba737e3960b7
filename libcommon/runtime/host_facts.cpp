#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/os/dir.h"
#include "libcommon/runtime/generate.h"

namespace proa::runtime {
namespace {

std::optional<oci::RuntimeDevice> device_at(const std::string& host_path, const std::string& container_path) {
  struct stat info {};
  if (::stat(host_path.c_str(), &info) != 0) return std::nullopt;
  if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) return std::nullopt;
  oci::RuntimeDevice device;
  device.path = container_path;
  device.type = S_ISCHR(info.st_mode) ? "c" : "b";
  device.major = major(info.st_rdev);
  device.minor = minor(info.st_rdev);
  device.file_mode = info.st_mode & 07777;
  device.uid = info.st_uid;
  device.gid = info.st_gid;
  return device;
}

constexpr int kMaxDepth = 4;

// All of the host's devices, without terminals: those belong to other sessions.
void add_devices_below(const std::string& directory, int depth, std::vector<HostDevice>& devices) {
  if (depth > kMaxDepth) return;
  for (const auto& name : os::list_dir(directory)) {
    std::string path = os::join(directory, name);
    bool skip = name == "pts" || name == "shm" || name == "mqueue" || name == "console" || name == "ptmx" ||
                name == "fd" || (depth == 0 && name.starts_with("tty") && name.size() > 3);
    if (skip) continue;
    auto info = os::try_stat(path);
    if (!info) continue;
    if (S_ISDIR(info->st_mode)) {
      try {
        add_devices_below(path, depth + 1, devices);
      } catch (const Error& error) {
        log::debug(error.what());  // not ours to read, hence not to give
      }
    } else if (auto device = device_at(path, path); device && !S_ISLNK(info->st_mode)) {
      devices.push_back({path, std::move(*device)});
    }
  }
}

}  // namespace

HostFacts gather_host_facts(const ContainerSpec& spec, const os::UserNamespacePlan& plan) {
  HostFacts facts;
  facts.id_mode = plan.mode;
  facts.in_user_namespace = plan.mode != os::IdMode::Root || os::in_user_namespace();
  facts.mapped_ids =
      plan.mode == os::IdMode::Root ? 4294967295U : std::min(os::id_map_size(plan.uids), os::id_map_size(plan.gids));
  facts.capabilities = os::effective_capabilities();
  const auto& r = spec.resources;
  bool limits = r.memory_limit || r.memory_reservation || r.memory_swap || r.cpu_shares || r.cpu_quota ||
                r.cpu_period || r.cpu_idle || !r.cpus.empty() || !r.mems.empty() || r.pids_limit || r.block_io_weight ||
                !r.unified.empty();
  if (limits) {
    auto cgroups = os::gather_cgroup_facts();
    facts.cgroup_v2 = cgroups.unified;
    facts.cgroup_controllers = cgroups.controllers;
  }
  if (spec.ipc.kind == NamespaceChoice::Kind::Host) facts.mqueue = os::exists("/dev/mqueue");
  if (!spec.apparmor_profile.empty()) facts.apparmor = os::exists("/sys/kernel/security/apparmor/profiles");
  if (!spec.selinux_label.empty()) facts.selinux = os::exists("/sys/fs/selinux/enforce");
  if (const char* term = std::getenv("TERM"); term != nullptr && spec.terminal) facts.terminal_type = term;
  if (spec.privileged) add_devices_below("/dev", 0, facts.devices);
  for (const auto& request : spec.devices) {
    auto device = device_at(request.host_path, request.container_path);
    if (!device) throw Error(ErrorCode::InvalidArgument, fmt::format("--device {}: not a device", request.host_path));
    facts.devices.push_back({request.host_path, std::move(*device)});
  }
  return facts;
}

}  // namespace proa::runtime
