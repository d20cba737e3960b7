#include "tools/run/commands/inspect_json.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/network/mode.h"
#include "libcommon/os/file.h"
#include "libcommon/store/store.h"
#include "tools/run/commands/common.h"

namespace proa::commands {
namespace {

using engine::ContainerRecord;
using engine::Snapshot;
using engine::Status;
using Json = nlohmann::json;

constexpr const char* kNever = "0001-01-01T00:00:00Z";

Json check_json(const engine::HealthCheck& check) {
  return {{"Test", check.test},
          {"Interval", check.interval},
          {"Timeout", check.timeout},
          {"StartPeriod", check.start_period},
          {"StartInterval", check.start_interval},
          {"Retries", check.retries}};
}

Json health_json(const Snapshot& s) {
  if (!s.health) return nullptr;
  Json log = Json::array();
  for (const auto& entry : s.health->log) {
    log.push_back(
        {{"Start", entry.start}, {"End", entry.end}, {"ExitCode", entry.exit_code}, {"Output", entry.output}});
  }
  return {{"Status", s.health->status}, {"FailingStreak", s.health->failing_streak}, {"Log", log}};
}

Json state_json(const Snapshot& s) {
  const bool running = s.running();
  return {{"OciVersion", "1.2.0"},
          {"Status", engine::status_word(s.status)},
          {"Running", running},
          {"Paused", s.status == Status::Paused},
          {"Restarting", s.status == Status::Restarting},
          {"OOMKilled", s.exit && s.exit->oom_killed},
          {"Dead", s.status == Status::Damaged},
          {"Pid", running ? s.state->pid : 0},
          {"MonitorPid", running ? s.state->monitor_pid : 0},
          {"ConmonPid", running ? s.state->monitor_pid : 0},
          // Never invented: an end that nobody saw has no code.
          {"ExitCode", s.exit                     ? Json(s.exit->exit_code)
                       : s.status == Status::Lost ? Json(nullptr)
                                                  : Json(0)},
          {"Error", s.exit && !s.exit->error.empty() ? s.exit->error : s.problem},
          {"StartedAt", s.state  ? s.state->started
                        : s.exit ? s.exit->started
                                 : kNever},
          {"FinishedAt", s.exit ? s.exit->finished : kNever},
          {"Health", health_json(s)},
          {"Healthcheck", health_json(s)},
          {"CgroupPath", s.state ? s.state->cgroup : ""},
          {"StoppedByUser", s.exit && s.exit->by_user},
          {"Checkpointed", false},
          {"Restored", false},
          {"CheckpointedAt", kNever},
          {"RestoredAt", kNever}};
}

Json mounts_json(const ContainerRecord& record) {
  Json mounts = Json::array();
  for (const auto& mount : record.mounts) {
    const std::string propagation = mount.propagation.empty() ? "rprivate" : mount.propagation;
    std::vector<std::string> mode;
    for (const auto& option : mount.options) {
      if (option == "z" || option == "Z" || option == "U" || option == "O") mode.push_back(option);
    }
    Json one = {{"Type", mount.type},
                {"Source", mount.source},
                {"Destination", mount.destination},
                {"Mode", join(mode, ",")},
                {"Options", mount.options},
                {"RW", !mount.read_only},
                {"Propagation", mount.type == "tmpfs" ? "" : propagation}};
    if (!mount.name.empty()) one["Name"] = mount.name, one["Driver"] = "local";
    mounts.push_back(std::move(one));
  }
  return mounts;
}

// The parts that only the specification knows; an empty one when the container was never made whole.
Json bundle_of(const engine::Container& container) {
  constexpr std::uint64_t kMax = 4u << 20;
  const auto text = os::try_read_file(container.file("bundle/config.json"), kMax);
  Json spec = text ? read_json(*text) : Json::object();
  return spec.is_object() ? spec : Json::object();
}

// Without what is secret.
Json environment(const ContainerRecord& record, const Json& process) {
  Json shown = Json::array();
  for (const auto& entry : process.value("env", Json::array())) {
    const std::string text = entry.is_string() ? entry.get<std::string>() : "";
    const bool secret = std::any_of(record.secrets.begin(), record.secrets.end(), [&](const auto& one) {
      return one.variable && text.starts_with(one.target + "=");
    });
    shown.push_back(secret ? text.substr(0, text.find('=') + 1) + "*******" : text);
  }
  return shown;
}

Json secrets_json(const ContainerRecord& record) {
  Json list = Json::array();
  for (const auto& secret : record.secrets) {
    list.push_back(
        {{"Name", secret.name}, {"ID", secret.id}, {"UID", secret.uid}, {"GID", secret.gid}, {"Mode", secret.mode}});
  }
  return list;
}

Json list_or_null(const std::vector<std::string>& list) { return list.empty() ? Json(nullptr) : Json(list); }

Json config_json(const ContainerRecord& r, const Json& process) {
  Json exposed = Json::object(), volumes = Json::object();
  for (const auto& port : r.exposed) exposed[port] = Json::object();
  for (const auto& port : r.ports) exposed[port.container_text()] = Json::object();
  for (const auto& mount : r.mounts) {
    if (mount.type == "volume") volumes[mount.destination] = Json::object();
  }
  const Json user = process.value("user", Json::object());
  Json config = {{"Hostname", r.hostname},
                 {"Domainname", ""},
                 {"User", r.user},
                 {"AttachStdin", r.stdin_open},
                 {"AttachStdout", true},
                 {"AttachStderr", true},
                 {"Tty", r.terminal},
                 {"OpenStdin", r.stdin_open},
                 {"StdinOnce", false},
                 {"Env", environment(r, process)},
                 {"Cmd", list_or_null(r.command)},
                 {"Image", r.image},
                 {"Volumes", volumes},
                 {"WorkingDir", process.value("cwd", "/")},
                 {"Entrypoint", list_or_null(r.entrypoint)},
                 {"OnBuild", nullptr},
                 {"Labels", r.labels},
                 {"ExposedPorts", exposed},
                 {"StopSignal", r.stop_signal},
                 {"StopTimeout", r.stop_timeout},
                 {"Timeout", r.timeout},
                 {"Umask", fmt::format("{:04o}", user.value("umask", 022u))},
                 {"Timezone", ""},
                 {"Annotations", Json::object()},
                 {"CreateCommand", r.create_command},
                 {"Secrets", secrets_json(r)},
                 {"SystemdMode", false},
                 {"Passwd", true},
                 {"ChrootDirs", nullptr},
                 {"SdNotifyMode", r.notify},
                 {"SdNotifySocket", r.notify_socket},
                 {"HealthcheckOnFailureAction", r.health.on_failure},
                 {"HealthLogDestination", "local"},
                 {"HealthcheckMaxLogCount", r.health.max_log_count},
                 {"HealthcheckMaxLogSize", r.health.max_log_size},
                 {"HealthMaxLogCount", r.health.max_log_count},
                 {"HealthMaxLogSize", r.health.max_log_size}};
  if (r.health.check.active()) config["Healthcheck"] = check_json(r.health.check);
  if (r.health.startup.active()) {
    config["StartupHealthCheck"] = check_json(r.health.startup);
    config["StartupHealthCheck"]["Successes"] = r.health.startup.successes;
  }
  return config;
}

Json member(const Json& object, const char* first, const char* second, Json otherwise) {
  const auto found = object.find(first);
  if (found == object.end() || !found->is_object()) return otherwise;
  const auto inner = found->find(second);
  return inner == found->end() || inner->is_null() ? otherwise : *inner;
}

Json limits_json(const Json& resources) {
  const auto quota = member(resources, "cpu", "quota", 0).get<std::int64_t>();
  const auto period = member(resources, "cpu", "period", 0).get<std::int64_t>();
  return {{"CpuShares", member(resources, "cpu", "shares", 0)},
          {"CpuPeriod", period},
          {"CpuQuota", quota},
          {"CpuRealtimePeriod", 0},
          {"CpuRealtimeRuntime", 0},
          {"CpusetCpus", member(resources, "cpu", "cpus", "")},
          {"CpusetMems", member(resources, "cpu", "mems", "")},
          {"NanoCpus", quota > 0 && period > 0 ? quota * 1'000'000'000 / period : 0},
          {"Memory", member(resources, "memory", "limit", 0)},
          {"MemoryReservation", member(resources, "memory", "reservation", 0)},
          {"MemorySwap", member(resources, "memory", "swap", 0)},
          {"MemorySwappiness", 0},
          {"KernelMemory", 0},
          {"OomKillDisable", false},
          {"PidsLimit", member(resources, "pids", "limit", 0)},
          {"BlkioWeight", member(resources, "blockIO", "weight", 0)},
          {"BlkioWeightDevice", nullptr},
          {"BlkioDeviceReadBps", nullptr},
          {"BlkioDeviceWriteBps", nullptr},
          {"BlkioDeviceReadIOps", nullptr},
          {"BlkioDeviceWriteIOps", nullptr},
          {"CpuCount", 0},
          {"CpuPercent", 0},
          {"IOMaximumIOps", 0},
          {"IOMaximumBandwidth", 0},
          {"DiskQuota", 0}};
}

Json id_maps(const Json& spec) {
  const auto texts = [&](const char* key) {
    Json list = Json::array();
    for (const auto& entry : member(spec, "linux", key, Json::array())) {
      list.push_back(
          fmt::format("{}:{}:{}", entry.value("containerID", 0u), entry.value("hostID", 0u), entry.value("size", 0u)));
    }
    return list;
  };
  return {{"UIDMap", texts("uidMappings")}, {"GidMap", texts("gidMappings")}, {"GIDMap", texts("gidMappings")}};
}

std::string mode_of(const ContainerRecord& record, const char* kind, const char* otherwise) {
  const auto found = record.modes.find(kind);
  return found == record.modes.end() || found->second.empty() ? otherwise : found->second;
}

std::uint64_t shm_size(const Json& spec) {
  for (const auto& mount : spec.value("mounts", Json::array())) {
    if (mount.value("destination", "") != "/dev/shm") continue;
    for (const auto& option : mount.value("options", Json::array())) {
      const std::string text = option.get<std::string>();
      if (text.starts_with("size=")) return parse_integer<std::uint64_t>(text.substr(5)).value_or(0);
    }
  }
  return 0;
}

Json ulimits_json(const Json& process) {
  Json list = Json::array();
  for (const auto& limit : process.value("rlimits", Json::array())) {
    list.push_back(
        {{"Name", limit.value("type", "")}, {"Soft", limit.value("soft", 0ull)}, {"Hard", limit.value("hard", 0ull)}});
  }
  return list;
}

Json host_config_json(const engine::Container& container, const ContainerRecord& r, const Json& spec) {
  Json binds = Json::array(), tmpfs = Json::object(), devices = Json::array();
  for (const auto& mount : r.mounts) {
    if (mount.type == "tmpfs") tmpfs[mount.destination] = join(mount.options, ",");
    if (mount.type != "bind" && mount.type != "volume") continue;
    std::string options = mount.read_only ? "ro" : "rw";
    if (!mount.propagation.empty()) options += "," + mount.propagation;
    binds.push_back(
        fmt::format("{}:{}:{}", mount.name.empty() ? mount.source : mount.name, mount.destination, options));
  }
  for (const auto& text : r.device_options) {
    const auto parts = split(text, ':');
    devices.push_back(
        {{"PathOnHost", parts[0]},
         {"PathInContainer", parts.size() > 1 && parts[1].starts_with('/') ? parts[1] : parts[0]},
         {"CgroupPermissions", parts.size() > 1 && !parts.back().starts_with('/') ? parts.back() : "rwm"}});
  }
  const Json process = spec.value("process", Json::object());
  Json config = limits_json(member(spec, "linux", "resources", Json::object()));
  config.update({{"Binds", binds},
                 {"Tmpfs", tmpfs},
                 {"CgroupManager", "systemd"},
                 {"CgroupMode", mode_of(r, "cgroup", "private")},
                 {"CgroupnsMode", mode_of(r, "cgroup", "private")},
                 {"Cgroups", r.no_cgroup ? "disabled" : "default"},
                 {"Cgroup", ""},
                 {"CgroupParent", ""},
                 {"ContainerIDFile", r.cid_file},
                 {"NetworkMode", r.network},
                 {"PortBindings", port_bindings(r, false)},
                 {"PublishAllPorts", r.publish_all},
                 {"AutoRemove", r.auto_remove},
                 {"AutoRemoveImage", r.remove_image},
                 {"Privileged", r.privileged},
                 {"Init", r.init},
                 {"ReadonlyRootfs", member(spec, "root", "readonly", false)},
                 {"RestartPolicy", {{"Name", r.restart_policy}, {"MaximumRetryCount", r.restart_limit}}},
                 {"LogConfig",
                  {{"Type", r.log_driver},
                   {"Config", Json::object()},
                   {"Path", container.file("ctr.log")},
                   {"Tag", r.log_tag},
                   {"Size", r.log_max_size == 0 ? "0B" : std::to_string(r.log_max_size)}}},
                 {"VolumeDriver", ""},
                 {"VolumesFrom", list_or_null(r.volumes_from)},
                 {"CapAdd", r.cap_add},
                 {"CapDrop", r.cap_drop},
                 {"Dns", r.dns},
                 {"DnsOptions", r.dns_options},
                 {"DnsSearch", r.dns_search},
                 {"ExtraHosts", r.add_hosts},
                 {"HostsFile", ""},
                 {"GroupAdd", r.group_add},
                 {"IpcMode", mode_of(r, "ipc", "private")},
                 {"PidMode", mode_of(r, "pid", "private")},
                 {"UTSMode", mode_of(r, "uts", "private")},
                 {"UsernsMode", mode_of(r, "userns", "")},
                 {"IDMappings", id_maps(spec)},
                 {"Links", nullptr},
                 {"OomScoreAdj", process.value("oomScoreAdj", 0)},
                 {"SecurityOpt", r.security_options},
                 {"ShmSize", shm_size(spec)},
                 {"Sysctls", member(spec, "linux", "sysctl", Json::object())},
                 {"Devices", devices},
                 {"Ulimits", ulimits_json(process)},
                 {"MaskedPaths", member(spec, "linux", "maskedPaths", Json::array())},
                 {"ReadonlyPaths", member(spec, "linux", "readonlyPaths", Json::array())},
                 {"ConsoleSize", {0, 0}},
                 {"Isolation", ""},
                 {"IntelRdtClosID", ""},
                 {"Runtime", r.runtime.empty() ? "proa" : r.runtime}});
  return config;
}

Json network_json(const ContainerRecord& r) {
  Json basic = {{"EndpointID", ""},  {"Gateway", ""},           {"IPAddress", ""},          {"IPPrefixLen", 0},
                {"IPv6Gateway", ""}, {"GlobalIPv6Address", ""}, {"GlobalIPv6PrefixLen", 0}, {"MacAddress", ""}};
  Json one = basic;
  one["NetworkID"] = r.network;
  one["Aliases"] = r.aliases;
  one["Links"] = nullptr;
  one["DriverOpts"] = nullptr;
  one["IPAMConfig"] = nullptr;
  Json network = basic;
  network.update({{"Bridge", ""},
                  {"SandboxID", ""},
                  {"HairpinMode", false},
                  {"LinkLocalIPv6Address", ""},
                  {"LinkLocalIPv6PrefixLen", 0},
                  {"SandboxKey", ""},
                  {"SecondaryIPAddresses", nullptr},
                  {"SecondaryIPv6Addresses", nullptr},
                  {"AdditionalMacAddresses", nullptr},
                  {"Ports", port_bindings(r, true)},
                  {"Networks", {{r.network, one}}}});
  return network;
}

Json graph_json(const engine::Containers& containers, const engine::Container& container, const ContainerRecord& r) {
  Json data = {{"UpperDir", container.file("upper")},
               {"WorkDir", container.file("work")},
               {"MergedDir", container.file("bundle/rootfs")}};
  try {
    const auto store = store::Store::try_open(containers.paths().data);
    if (store && !r.top_layer.empty()) {
      data["LowerDir"] = join(store->overlay_lowers(oci::ChainId(oci::Digest::parse(r.top_layer))), ":");
    }
  } catch (const Error&) {
    // A damaged layer is no reason not to show the rest.
  }
  return {{"Name", "overlay"}, {"Data", data}};
}

void add_sizes(const engine::Containers& containers, const engine::Container& container, const ContainerRecord& record,
               Json& object) {
  const std::uint64_t own = tree_size(container.file("upper"));
  std::uint64_t image = 0;
  if (const auto store = store::Store::try_open(containers.paths().data)) {
    if (const auto found = store->find(record.image_id)) image = found->size;
  }
  object["SizeRw"] = own;
  object["SizeRootFs"] = own + image;
}

}  // namespace

Json port_bindings(const ContainerRecord& record, bool exposed) {
  Json ports = Json::object();
  if (exposed) {
    for (const auto& port : record.exposed) ports[port] = nullptr;
  }
  for (const auto& port : record.ports) {
    Json& list = ports[port.container_text()];
    if (!list.is_array()) list = Json::array();
    list.push_back({{"HostIp", port.host_ip.empty() ? "0.0.0.0" : port.host_ip},
                    {"HostPort", std::to_string(port.host_ports.first)}});
  }
  return ports;
}

Json container_json(const engine::Containers& containers, const engine::Container& container, bool with_size) {
  const Snapshot s = engine::look_at(container);
  const auto& r = s.record;
  const Json spec = bundle_of(container);
  const Json process = spec.value("process", Json::object());
  std::vector<std::string> words = r.entrypoint;
  words.insert(words.end(), r.command.begin(), r.command.end());
  const Json capabilities = process.value("capabilities", Json::object());
  Json dependencies = r.required;
  for (const auto& [type, id] : r.joins) dependencies.push_back(id);
  Json object = {{"Id", r.id},
                 {"Created", r.created},
                 {"Path", words.empty() ? "" : words.front()},
                 {"Args", std::vector<std::string>(words.begin() + (words.empty() ? 0 : 1), words.end())},
                 {"State", state_json(s)},
                 {"Image", r.image_id},
                 {"ImageDigest", ""},
                 {"ImageName", r.image},
                 {"Rootfs", ""},
                 {"Pod", ""},
                 {"Name", r.name},
                 {"RestartCount", s.state  ? s.state->restarts
                                  : s.exit ? s.exit->restarts
                                           : 0},
                 {"Driver", "overlay"},
                 {"Platform", "linux"},
                 {"OCIRuntime", r.runtime.empty() ? "proa" : r.runtime},
                 {"OCIConfigPath", container.file("bundle/config.json")},
                 {"StaticDir", container.path()},
                 {"HostsPath", container.file("bundle/hosts")},
                 {"HostnamePath", container.file("bundle/hostname")},
                 {"ResolvConfPath", container.file("bundle/resolv.conf")},
                 {"LogPath", r.log_driver == "none" || r.log_driver == "journald" ? "" : container.file("ctr.log")},
                 {"PidFile", r.pid_file},
                 {"ConmonPidFile", ""},
                 {"MountLabel", ""},
                 {"ProcessLabel", process.value("selinuxLabel", "")},
                 {"AppArmorProfile", process.value("apparmorProfile", "")},
                 {"ExecIDs", Json::array()},
                 {"EffectiveCaps", capabilities.value("effective", Json::array())},
                 {"BoundingCaps", capabilities.value("bounding", Json::array())},
                 {"GraphDriver", graph_json(containers, container, r)},
                 {"Mounts", mounts_json(r)},
                 {"Dependencies", dependencies},
                 {"Namespace", ""},
                 {"IsInfra", false},
                 {"IsService", false},
                 {"KubeExitCodePropagation", "invalid"},
                 {"LockNumber", 0},
                 {"UseImageHosts", false},
                 {"UseImageHostname", false},
                 {"Config", config_json(r, process)},
                 {"HostConfig", host_config_json(container, r, spec)},
                 {"NetworkSettings", network_json(r)}};
  if (with_size) add_sizes(containers, container, r, object);
  return object;
}

}  // namespace proa::commands
