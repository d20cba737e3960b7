
#include "libcommon/base/json.h"
#include "libcommon/oci/runtime_spec.h"

namespace proa::oci {
namespace {

using OrderedJson = nlohmann::ordered_json;

// Members that are empty are left out: they mean the same, and files stay readable.
template <typename Value>
void put(OrderedJson& object, const char* key, const Value& value) {
  if (!value.empty()) object[key] = value;
}

template <typename Value>
void put(OrderedJson& object, const char* key, const std::optional<Value>& value) {
  if (value) object[key] = *value;
}

OrderedJson encode_process(const RuntimeProcess& process) {
  OrderedJson object = OrderedJson::object();
  object["terminal"] = process.terminal;
  if (process.console_size) {
    object["consoleSize"] = {{"height", process.console_size->height}, {"width", process.console_size->width}};
  }
  OrderedJson user = {{"uid", process.user.uid}, {"gid", process.user.gid}};
  put(user, "umask", process.user.umask);
  put(user, "additionalGids", process.user.additional_gids);
  object["user"] = std::move(user);
  object["args"] = process.args;
  put(object, "env", process.env);
  object["cwd"] = process.cwd;
  if (const auto& caps = process.capabilities) {
    object["capabilities"] = {{"bounding", caps->bounding},
                              {"effective", caps->effective},
                              {"inheritable", caps->inheritable},
                              {"permitted", caps->permitted},
                              {"ambient", caps->ambient}};
  }
  for (const auto& limit : process.rlimits) {
    object["rlimits"].push_back({{"type", limit.type}, {"hard", limit.hard}, {"soft", limit.soft}});
  }
  object["noNewPrivileges"] = process.no_new_privileges;
  put(object, "apparmorProfile", process.apparmor_profile);
  put(object, "selinuxLabel", process.selinux_label);
  put(object, "oomScoreAdj", process.oom_score_adj);
  return object;
}

OrderedJson encode_id_mappings(const std::vector<RuntimeIdMapping>& mappings) {
  OrderedJson list = OrderedJson::array();
  for (const auto& entry : mappings) {
    list.push_back({{"containerID", entry.container_id}, {"hostID", entry.host_id}, {"size", entry.size}});
  }
  return list;
}

OrderedJson encode_mounts(const std::vector<RuntimeMount>& mounts) {
  OrderedJson list = OrderedJson::array();
  for (const auto& mount : mounts) {
    OrderedJson object = {{"destination", mount.destination}};
    put(object, "type", mount.type);
    put(object, "source", mount.source);
    put(object, "options", mount.options);
    if (!mount.uid_mappings.empty()) object["uidMappings"] = encode_id_mappings(mount.uid_mappings);
    if (!mount.gid_mappings.empty()) object["gidMappings"] = encode_id_mappings(mount.gid_mappings);
    list.push_back(std::move(object));
  }
  return list;
}

void put_hooks(OrderedJson& object, const char* key, const std::vector<RuntimeHook>& hooks) {
  for (const auto& hook : hooks) {
    OrderedJson entry = {{"path", hook.path}};
    put(entry, "args", hook.args);
    put(entry, "env", hook.env);
    put(entry, "timeout", hook.timeout);
    object[key].push_back(std::move(entry));
  }
}

OrderedJson encode_hooks(const RuntimeHooks& hooks) {
  OrderedJson object = OrderedJson::object();
  put_hooks(object, "prestart", hooks.prestart);
  put_hooks(object, "createRuntime", hooks.create_runtime);
  put_hooks(object, "createContainer", hooks.create_container);
  put_hooks(object, "startContainer", hooks.start_container);
  put_hooks(object, "poststart", hooks.poststart);
  put_hooks(object, "poststop", hooks.poststop);
  return object;
}

OrderedJson encode_device_rule(const DeviceRule& rule) {
  OrderedJson object = {{"allow", rule.allow}};
  put(object, "type", rule.type);
  put(object, "major", rule.major);
  put(object, "minor", rule.minor);
  put(object, "access", rule.access);
  return object;
}

OrderedJson encode_resources(const RuntimeResources& resources) {
  OrderedJson object = OrderedJson::object();
  for (const auto& rule : resources.devices) object["devices"].push_back(encode_device_rule(rule));
  OrderedJson memory = OrderedJson::object(), cpu = OrderedJson::object();
  put(memory, "limit", resources.memory_limit);
  put(memory, "reservation", resources.memory_reservation);
  put(memory, "swap", resources.memory_swap);
  put(cpu, "shares", resources.cpu_shares);
  put(cpu, "quota", resources.cpu_quota);
  put(cpu, "period", resources.cpu_period);
  put(cpu, "idle", resources.cpu_idle);
  put(cpu, "cpus", resources.cpus);
  put(cpu, "mems", resources.mems);
  put(object, "memory", memory);
  put(object, "cpu", cpu);
  if (resources.pids_limit) object["pids"] = {{"limit", *resources.pids_limit}};
  if (resources.block_io_weight) object["blockIO"] = {{"weight", *resources.block_io_weight}};
  put(object, "unified", resources.unified);
  return object;
}

OrderedJson encode_devices(const std::vector<RuntimeDevice>& devices) {
  OrderedJson list = OrderedJson::array();
  for (const auto& device : devices) {
    OrderedJson object = {
        {"path", device.path}, {"type", device.type}, {"major", device.major}, {"minor", device.minor}};
    put(object, "fileMode", device.file_mode);
    put(object, "uid", device.uid);
    put(object, "gid", device.gid);
    list.push_back(std::move(object));
  }
  return list;
}

OrderedJson encode_seccomp(const SeccompProfile& profile) {
  OrderedJson object = {{"defaultAction", profile.default_action}};
  put(object, "defaultErrnoRet", profile.default_errno_ret);
  put(object, "architectures", profile.architectures);
  put(object, "flags", profile.flags);
  put(object, "listenerPath", profile.listener_path);
  put(object, "listenerMetadata", profile.listener_metadata);
  for (const auto& rule : profile.syscalls) {
    OrderedJson entry = {{"names", rule.names}, {"action", rule.action}};
    put(entry, "errnoRet", rule.errno_ret);
    for (const auto& argument : rule.args) {
      OrderedJson condition = {{"index", argument.index}, {"value", argument.value}};
      if (argument.value_two != 0) condition["valueTwo"] = argument.value_two;
      condition["op"] = argument.op;
      entry["args"].push_back(std::move(condition));
    }
    object["syscalls"].push_back(std::move(entry));
  }
  return object;
}

OrderedJson encode_linux(const RuntimeLinux& part) {
  OrderedJson object = OrderedJson::object();
  if (!part.uid_mappings.empty()) object["uidMappings"] = encode_id_mappings(part.uid_mappings);
  if (!part.gid_mappings.empty()) object["gidMappings"] = encode_id_mappings(part.gid_mappings);
  put(object, "sysctl", part.sysctl);
  if (part.resources) object["resources"] = encode_resources(*part.resources);
  put(object, "cgroupsPath", part.cgroups_path);
  for (const auto& space : part.namespaces) {
    OrderedJson entry = {{"type", space.type}};
    put(entry, "path", space.path);
    object["namespaces"].push_back(std::move(entry));
  }
  if (!part.devices.empty()) object["devices"] = encode_devices(part.devices);
  if (part.seccomp) object["seccomp"] = encode_seccomp(*part.seccomp);
  put(object, "rootfsPropagation", part.rootfs_propagation);
  put(object, "mountLabel", part.mount_label);
  put(object, "maskedPaths", part.masked_paths);
  put(object, "readonlyPaths", part.readonly_paths);
  for (const auto& [clock, offset] : part.time_offsets) {
    object["timeOffsets"][clock] = {{"secs", offset.secs}, {"nanosecs", offset.nanosecs}};
  }
  if (!part.personality_domain.empty()) object["personality"] = {{"domain", part.personality_domain}};
  return object;
}

// Foreign bytes (an Env of an image need not be UTF-8) must not make writing a bundle fail.
std::string dump(const OrderedJson& object, int indent) { return json_text(object, indent); }

}  // namespace

std::string RuntimeProcess::encode() const { return dump(encode_process(*this), -1); }
std::string SeccompProfile::encode() const { return dump(encode_seccomp(*this), -1); }

std::string RuntimeSpec::encode() const {
  OrderedJson object = {{"ociVersion", oci_version}};
  if (process) object["process"] = encode_process(*process);
  if (!root_path.empty()) object["root"] = {{"path", root_path}, {"readonly", root_readonly}};
  put(object, "hostname", hostname);
  put(object, "domainname", domainname);
  if (!mounts.empty()) object["mounts"] = encode_mounts(mounts);
  put(object, "hooks", encode_hooks(hooks));
  put(object, "annotations", annotations);
  object["linux"] = encode_linux(linux_);
  return dump(object, 1) + "\n";
}

std::string RuntimeState::encode() const {
  OrderedJson object = {{"ociVersion", oci_version}, {"id", id}, {"status", status}};
  if (pid > 0) object["pid"] = pid;
  object["bundle"] = bundle;
  put(object, "annotations", annotations);
  return dump(object, 1) + "\n";
}

}  // namespace proa::oci
