#include "libcommon/oci/runtime_spec.h"

#include <algorithm>
#include <limits>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/oci/json.h"

namespace proa::oci {
namespace {

// Limits of the kernel reach up to 2^64-1 (RLIM_INFINITY), so these are read apart from whole numbers that are sizes.
std::optional<std::uint64_t> unsigned_number(const JsonObject& object, std::string_view key) {
  const auto* value = object.find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_number_unsigned()) return value->get<std::uint64_t>();
  // -1 is how some writers spell "no limit".
  if (value->is_number_integer() && value->get<std::int64_t>() == -1) return std::numeric_limits<std::uint64_t>::max();
  object.fail(key, "not a whole number from 0 on");
}

template <typename Integer>
std::optional<Integer> small(const JsonObject& object, std::string_view key) {
  auto number = object.integer(key);
  if (!number) return std::nullopt;
  if (*number < static_cast<std::int64_t>(std::numeric_limits<Integer>::min()) ||
      *number > static_cast<std::int64_t>(std::numeric_limits<Integer>::max())) {
    object.fail(key, "out of range");
  }
  return static_cast<Integer>(*number);
}

// 2^32-1 means "leave as it is" to chown and setresuid: never an id.
std::uint32_t id_number(const JsonObject& object, std::string_view key) {
  auto number = small<std::uint32_t>(object, key).value_or(0);
  if (number == std::numeric_limits<std::uint32_t>::max()) object.fail(key, "is no user or group id");
  return number;
}

RuntimeUser parse_user(const JsonObject& object) {
  RuntimeUser user;
  user.uid = id_number(object, "uid");
  user.gid = id_number(object, "gid");
  user.umask = small<std::uint32_t>(object, "umask");
  if (const auto* groups = object.find("additionalGids")) {
    for (const auto& group : *groups) {
      if (!group.is_number_unsigned() || group.get<std::uint64_t>() >= std::numeric_limits<std::uint32_t>::max()) {
        object.fail("additionalGids", "holds something that is no group id");
      }
      user.additional_gids.push_back(group.get<std::uint32_t>());
    }
  }
  return user;
}

RuntimeCapabilities parse_capabilities(const JsonObject& object) {
  return {object.strings_or_empty("bounding"), object.strings_or_empty("effective"),
          object.strings_or_empty("inheritable"), object.strings_or_empty("permitted"),
          object.strings_or_empty("ambient")};
}

RuntimeProcess parse_process(const JsonObject& object) {
  RuntimeProcess process;
  process.terminal = object.boolean("terminal").value_or(false);
  if (auto size = object.object("consoleSize")) {
    process.console_size = ConsoleSize{small<std::uint16_t>(*size, "height").value_or(0),
                                       small<std::uint16_t>(*size, "width").value_or(0)};
  }
  if (auto user = object.object("user")) process.user = parse_user(*user);
  process.args = object.strings_or_empty("args");
  process.env = object.strings_or_empty("env");
  process.cwd = object.require_string("cwd");
  if (!process.cwd.starts_with('/')) object.fail("cwd", "is not absolute");
  if (auto caps = object.object("capabilities")) process.capabilities = parse_capabilities(*caps);
  for (const auto& limit : object.objects("rlimits")) {
    process.rlimits.push_back({limit.require_string("type"), unsigned_number(limit, "hard").value_or(0),
                               unsigned_number(limit, "soft").value_or(0)});
  }
  process.no_new_privileges = object.boolean("noNewPrivileges").value_or(false);
  process.apparmor_profile = object.string_or_empty("apparmorProfile");
  process.selinux_label = object.string_or_empty("selinuxLabel");
  process.oom_score_adj = small<int>(object, "oomScoreAdj");
  return process;
}

std::vector<RuntimeIdMapping> parse_id_mappings(const JsonObject& object, std::string_view key) {
  std::vector<RuntimeIdMapping> mappings;
  for (const auto& entry : object.objects(key)) {
    mappings.push_back(
        {id_number(entry, "containerID"), id_number(entry, "hostID"), small<std::uint32_t>(entry, "size").value_or(0)});
  }
  return mappings;
}

RuntimeMount parse_mount(const JsonObject& object) {
  RuntimeMount mount;
  mount.destination = object.require_string("destination");
  if (mount.destination.empty()) object.fail("destination", "is empty");
  mount.type = object.string_or_empty("type");
  mount.source = object.string_or_empty("source");
  mount.options = object.strings_or_empty("options");
  mount.uid_mappings = parse_id_mappings(object, "uidMappings");
  mount.gid_mappings = parse_id_mappings(object, "gidMappings");
  return mount;
}

std::vector<RuntimeHook> parse_hooks(const JsonObject& object, std::string_view key) {
  std::vector<RuntimeHook> hooks;
  for (const auto& entry : object.objects(key)) {
    RuntimeHook hook{entry.require_string("path"), entry.strings_or_empty("args"), entry.strings_or_empty("env"),
                     small<int>(entry, "timeout")};
    if (!hook.path.starts_with('/')) entry.fail("path", "is not absolute");
    hooks.push_back(std::move(hook));
  }
  return hooks;
}

RuntimeDevice parse_device(const JsonObject& object) {
  RuntimeDevice device;
  device.path = object.require_string("path");
  device.type = object.require_string("type");
  device.major = object.integer("major").value_or(0);
  device.minor = object.integer("minor").value_or(0);
  device.file_mode = small<std::uint32_t>(object, "fileMode");
  if (object.find("uid") != nullptr) device.uid = id_number(object, "uid");
  if (object.find("gid") != nullptr) device.gid = id_number(object, "gid");
  return device;
}

RuntimeResources parse_resources(const JsonObject& object) {
  RuntimeResources resources;
  for (const auto& entry : object.objects("devices")) {
    resources.devices.push_back({entry.boolean("allow").value_or(false), entry.string_or_empty("type"),
                                 entry.integer("major"), entry.integer("minor"), entry.string_or_empty("access")});
  }
  if (auto memory = object.object("memory")) {
    resources.memory_limit = memory->integer("limit");
    resources.memory_reservation = memory->integer("reservation");
    resources.memory_swap = memory->integer("swap");
  }
  if (auto cpu = object.object("cpu")) {
    resources.cpu_shares = unsigned_number(*cpu, "shares");
    resources.cpu_period = unsigned_number(*cpu, "period");
    resources.cpu_quota = cpu->integer("quota");
    resources.cpu_idle = cpu->integer("idle");
    resources.cpus = cpu->string_or_empty("cpus");
    resources.mems = cpu->string_or_empty("mems");
  }
  if (auto pids = object.object("pids")) resources.pids_limit = pids->integer("limit");
  if (auto io = object.object("blockIO")) resources.block_io_weight = small<std::uint16_t>(*io, "weight");
  resources.unified = object.string_map("unified");
  return resources;
}

SeccompRule parse_seccomp_rule(const JsonObject& object) {
  SeccompRule rule;
  rule.names = object.strings_or_empty("names");
  rule.action = object.require_string("action");
  rule.errno_ret = small<unsigned>(object, "errnoRet");
  for (const auto& entry : object.objects("args")) {
    rule.args.push_back({small<unsigned>(entry, "index").value_or(0), unsigned_number(entry, "value").value_or(0),
                         unsigned_number(entry, "valueTwo").value_or(0), entry.require_string("op")});
  }
  return rule;
}

SeccompProfile parse_seccomp(const JsonObject& object) {
  SeccompProfile profile;
  profile.default_action = object.require_string("defaultAction");
  profile.default_errno_ret = small<unsigned>(object, "defaultErrnoRet");
  profile.architectures = object.strings_or_empty("architectures");
  profile.flags = object.strings_or_empty("flags");
  profile.listener_path = object.string_or_empty("listenerPath");
  profile.listener_metadata = object.string_or_empty("listenerMetadata");
  for (const auto& entry : object.objects("syscalls")) profile.syscalls.push_back(parse_seccomp_rule(entry));
  return profile;
}

RuntimeLinux parse_linux(const JsonObject& object) {
  RuntimeLinux linux_part;
  linux_part.uid_mappings = parse_id_mappings(object, "uidMappings");
  linux_part.gid_mappings = parse_id_mappings(object, "gidMappings");
  linux_part.sysctl = object.string_map("sysctl");
  if (auto resources = object.object("resources")) linux_part.resources = parse_resources(*resources);
  linux_part.cgroups_path = object.string_or_empty("cgroupsPath");
  for (const auto& entry : object.objects("namespaces")) {
    RuntimeNamespace space{entry.require_string("type"), entry.string_or_empty("path")};
    auto twin = std::find_if(linux_part.namespaces.begin(), linux_part.namespaces.end(),
                             [&](const auto& other) { return other.type == space.type; });
    if (twin != linux_part.namespaces.end()) entry.fail("type", "the namespace is listed twice");
    linux_part.namespaces.push_back(std::move(space));
  }
  for (const auto& entry : object.objects("devices")) linux_part.devices.push_back(parse_device(entry));
  if (auto seccomp = object.object("seccomp")) linux_part.seccomp = parse_seccomp(*seccomp);
  linux_part.rootfs_propagation = object.string_or_empty("rootfsPropagation");
  linux_part.mount_label = object.string_or_empty("mountLabel");
  linux_part.masked_paths = object.strings_or_empty("maskedPaths");
  linux_part.readonly_paths = object.strings_or_empty("readonlyPaths");
  if (auto offsets = object.object("timeOffsets")) {
    for (const auto& clock : object.keys_of("timeOffsets")) {
      auto entry = offsets->require_object(clock);
      linux_part.time_offsets[clock] = {entry.integer("secs").value_or(0),
                                        small<std::uint32_t>(entry, "nanosecs").value_or(0)};
    }
  }
  if (auto personality = object.object("personality"))
    linux_part.personality_domain = personality->require_string("domain");
  return linux_part;
}

// Documents written by the user: what is wrong in them is an invalid argument, not broken data of ours.
template <typename Function>
auto as_argument(Function function) {
  try {
    return function();
  } catch (const Error& error) {
    throw Error(ErrorCode::InvalidArgument, error.message());
  }
}

}  // namespace

RuntimeProcess RuntimeProcess::parse(std::string_view json) {
  return as_argument([&] {
    auto document = parse_json(json, "process.json", kMaxRuntimeSpecSize);
    return parse_process(JsonObject(document, "process.json"));
  });
}

RuntimeResources RuntimeResources::parse(std::string_view json) {
  return as_argument([&] {
    auto document = parse_json(json, "resources", kMaxRuntimeSpecSize);
    return parse_resources(JsonObject(document, "resources"));
  });
}

RuntimeSpec RuntimeSpec::parse(std::string_view json) {
  return as_argument([&] {
    auto document = parse_json(json, "config.json", kMaxRuntimeSpecSize);
    JsonObject object(document, "config.json");
    RuntimeSpec spec;
    spec.oci_version = object.require_string("ociVersion");
    if (!spec.oci_version.starts_with("1.")) object.fail("ociVersion", "is not 1.x");
    if (auto member = object.object("process")) spec.process = parse_process(*member);
    if (auto root = object.object("root")) {
      spec.root_path = root->require_string("path");
      spec.root_readonly = root->boolean("readonly").value_or(false);
    }
    spec.hostname = object.string_or_empty("hostname");
    spec.domainname = object.string_or_empty("domainname");
    for (const auto& entry : object.objects("mounts")) spec.mounts.push_back(parse_mount(entry));
    if (auto member = object.object("hooks")) {
      spec.hooks = {parse_hooks(*member, "prestart"),        parse_hooks(*member, "createRuntime"),
                    parse_hooks(*member, "createContainer"), parse_hooks(*member, "startContainer"),
                    parse_hooks(*member, "poststart"),       parse_hooks(*member, "poststop")};
    }
    spec.annotations = object.string_map("annotations");
    if (auto linux_object = object.object("linux")) spec.linux_ = parse_linux(*linux_object);
    return spec;
  });
}

const RuntimeNamespace* RuntimeSpec::find_namespace(std::string_view type) const {
  for (const auto& space : linux_.namespaces) {
    if (space.type == type) return &space;
  }
  return nullptr;
}

}  // namespace proa::oci
