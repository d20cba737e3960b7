// What the container may: namespaces, capabilities, filters, limits. An option that cannot be kept is an error.
#include <fmt/core.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/network/mode.h"
#include "libcommon/os/cgroup.h"
#include "libcommon/os/file.h"
#include "libcommon/os/idmap.h"
#include "libcommon/spec/capabilities.h"
#include "libcommon/spec/devices.h"
#include "libcommon/spec/env_file.h"
#include "libcommon/spec/ulimits.h"
#include "tools/run/engine/create.h"

namespace proa::engine {
namespace {

constexpr std::uint64_t kMaxProfile = 1 << 20;

std::vector<std::string> split_commas(const std::vector<std::string>& texts) {
  std::vector<std::string> all;
  for (const auto& text : texts) {
    for (auto& part : split(text, ',')) {
      if (!part.empty()) all.push_back(std::move(part));
    }
  }
  return all;
}

// Namespaces of other containers. All those joined have to belong to one user namespace.
class Joiner {
 public:
  Joiner(const Containers& containers, ContainerRecord& record) : containers_(containers), record_(record) {}

  runtime::NamespaceChoice join(const std::string& name, const char* kind);
  runtime::NamespaceChoice choose(const std::optional<std::string>& text, const char* kind);

 private:
  const Containers& containers_;
  ContainerRecord& record_;
};

runtime::NamespaceChoice Joiner::join(const std::string& name, const char* kind) {
  const std::string type = kind == std::string_view("net") ? "network" : kind;
  record_.joins[type] = containers_.get(name).id();
  // The path is filled in at each start: processes come and go.
  return runtime::NamespaceChoice::join(resolve_joins(containers_, record_).paths.at(type));
}

// "host", "private", "container:NAME", "ns:PATH" of --pid, --ipc, --uts.
runtime::NamespaceChoice Joiner::choose(const std::optional<std::string>& text, const char* kind) {
  if (!text || text->empty() || *text == "private" || *text == "shareable") return {};
  if (*text == "host") return runtime::NamespaceChoice::host();
  if (text->starts_with("container:")) return join(text->substr(10), kind);
  if (text->starts_with("ns:/")) return runtime::NamespaceChoice::join(text->substr(3));
  throw Error(ErrorCode::InvalidArgument, fmt::format("--{}={}: unknown", kind, *text),
              "use private, host, container:NAME or ns:PATH");
}

struct KeptIds {
  std::uint32_t uid = ::getuid(), gid = ::getgid();
  std::uint64_t size = std::numeric_limits<std::uint64_t>::max();
};

// "uid=N,gid=N,size=N"
KeptIds parse_kept_ids(std::string_view options) {
  KeptIds ids;
  for (const auto& text : split(options, ',')) {
    const auto pair = cut(text, "=");
    const auto number = parse_integer<std::uint32_t>(pair ? pair->second : std::string_view());
    if (!number) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("--userns=keep-id:{}: '{}' is unknown", options, text),
                  "use uid=, gid= and size=");
    }
    if (pair->first == "uid") {
      ids.uid = *number;
    } else if (pair->first == "gid") {
      ids.gid = *number;
    } else if (pair->first == "size") {
      ids.size = *number;
    } else {
      throw Error(ErrorCode::InvalidArgument, fmt::format("--userns=keep-id: the option '{}' is unknown", pair->first),
                  "use uid=, gid= and size=");
    }
  }
  return ids;
}

// --userns=keep-id: the caller's own id is the same inside, or the one asked for. Our namespace maps it to 0, so this
// is a second one in it.
void keep_id(std::string_view options, runtime::ContainerSpec& spec) {
  const KeptIds kept = options.empty() ? KeptIds{} : parse_kept_ids(options);
  const os::UserNamespacePlan plan = os::plan_user_namespace();
  const auto nested = [](std::uint32_t id, std::uint64_t count) {
    os::IdMap map;
    if (id != 0) map.push_back({0, 1, id});
    map.push_back({id, 0, 1});
    if (count > id + 1ULL) map.push_back({id + 1, id + 1, static_cast<std::uint32_t>(count - id - 1)});
    return map;
  };
  if (plan.mode == os::IdMode::Root) {
    throw Error(ErrorCode::InvalidArgument, "--userns=keep-id is for ordinary users", "as root leave it out");
  }
  const std::uint64_t uids = std::min(kept.size, os::id_map_size(plan.uids));
  const std::uint64_t gids = std::min(kept.size, os::id_map_size(plan.gids));
  if (plan.mode != os::IdMode::Full || uids <= kept.uid || gids <= kept.gid) {
    throw Error(ErrorCode::Unsupported, "--userns=keep-id needs subordinate ids up to your own",
                plan.hint.empty() ? "ask for a range in /etc/subuid and /etc/subgid" : plan.hint);
  }
  spec.user = {};
  spec.uids = nested(kept.uid, uids);
  spec.gids = nested(kept.gid, gids);
}

// --uidmap, --gidmap: "INSIDE:OURS:COUNT", where ours are the ids of the user namespace that proa enters: 0 is the
// caller, 1 and on are the subordinate ones.
os::IdMap parse_id_map(const char* flag, const std::vector<std::string>& texts) {
  os::IdMap map;
  for (const auto& text : texts) {
    const auto parts = split(text, ':');
    std::vector<std::uint32_t> numbers;
    for (const auto& part : parts) {
      if (const auto number = parse_integer<std::uint32_t>(part)) numbers.push_back(*number);
    }
    if (numbers.size() == 2 && parts.size() == 2) numbers.push_back(1);
    if (numbers.size() != 3 || parts.size() > 3 || numbers[2] == 0) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("--{}={}: not INSIDE:OURS:COUNT", flag, text),
                  "write 0:1:1000; prefixes such as + and @ are not known");
    }
    map.push_back({numbers[0], numbers[1], numbers[2]});
  }
  return map;
}

void map_ids(const RunOptions& options, runtime::ContainerSpec& spec) {
  spec.user = {};
  spec.uids = parse_id_map("uidmap", options.uidmap.empty() ? options.gidmap : options.uidmap);
  spec.gids = parse_id_map("gidmap", options.gidmap.empty() ? options.uidmap : options.gidmap);
  const os::UserNamespacePlan plan = os::plan_user_namespace();
  const auto check = [&](const os::IdMap& map, std::uint64_t have) {
    for (const auto& entry : map) {
      if (plan.mode == os::IdMode::Root || std::uint64_t{entry.outside} + entry.count <= have) continue;
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("--uidmap/--gidmap {}:{}:{}: there are {} ids only", entry.inside, entry.outside,
                              entry.count, have),
                  "`proa info` shows the ids that are yours");
    }
  };
  // Files of images belong to our ids, the most of them to 0; what has no id inside can be neither changed nor entered.
  if (!os::id_to_inside(spec.uids, 0) || !os::id_to_inside(spec.gids, 0)) {
    throw Error(ErrorCode::Unsupported, "--uidmap and --gidmap have to map 0, to which the image's files belong",
                "begin with 0:0:1, or use --userns=keep-id");
  }
  check(spec.uids, os::id_map_size(plan.uids));
  check(spec.gids, os::id_map_size(plan.gids));
}

void apply_seccomp(const std::string& value, runtime::ContainerSpec& spec) {
  if (value == "unconfined") {
    spec.seccomp.kind = runtime::SeccompChoice::Kind::Unconfined;
    return;
  }
  spec.seccomp.kind = runtime::SeccompChoice::Kind::Profile;
  spec.seccomp.profile = os::read_fd(os::open_regular(value, kMaxProfile).get(), kMaxProfile, value);
}

void add_paths(std::vector<std::string>& to, const std::string& value) {
  for (auto& path : split(value, ':')) to.push_back(std::move(path));
}

void apply_security_option(const std::string& text, runtime::ContainerSpec& spec) {
  auto parts = cut(text, "=");
  if (!parts) parts = cut(text, ":");
  const std::string key(parts ? parts->first : std::string_view(text));
  const std::string value(parts ? parts->second : std::string_view());
  if (key == "no-new-privileges") {
    spec.no_new_privileges = value.empty() || value == "true";
    return;
  }
  if (key == "seccomp" && !value.empty()) return apply_seccomp(value, spec);
  if (key == "apparmor" && !value.empty()) {
    spec.apparmor_profile = value;
    return;
  }
  if (key == "mask" && !value.empty()) return add_paths(spec.mask, value);
  if (key == "unmask" && !value.empty()) return add_paths(spec.unmask, value);
  if (key == "systempaths" && value == "unconfined") {
    spec.unmask.emplace_back("ALL");
    return;
  }
  if (key == "label" && value == "disable") return;
  throw Error(ErrorCode::Unsupported, fmt::format("--security-opt {} is not supported", text),
              "known: no-new-privileges, seccomp=, apparmor=, mask=, unmask=, systempaths=unconfined, label=disable");
}

std::int64_t parse_bytes(const char* flag, const std::string& text) {
  const auto size = parse_size_1024(text);
  if (!size)
    throw Error(ErrorCode::InvalidArgument, fmt::format("--{}={}: not a size", flag, text), "write 512m or 2g");
  return *size;
}

void set_cpus(const std::string& text, oci::RuntimeResources& resources) {
  char* end = nullptr;
  const double cpus = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(cpus) || cpus < 0 || cpus > 1e6) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--cpus={}: not a number of processors", text));
  }
  if (cpus == 0) return;
  resources.cpu_period = 100000;
  resources.cpu_quota = std::max<std::int64_t>(1000, std::llround(cpus * 100000));
}

// Limits that nothing would enforce are refused.
void need_controller(const os::CgroupFacts& facts, const char* flag, const char* controller) {
  for (const auto& known : facts.controllers) {
    if (known == controller) return;
  }
  throw Error(
      ErrorCode::Unsupported,
      fmt::format("--{} cannot be kept: the cgroup controller {} is not delegated to you", flag, controller),
      "start from a systemd user session with cgroups v2 (`systemd-run --user --scope`), or leave the limit out");
}

}  // namespace

Joins resolve_joins(const Containers& containers, const ContainerRecord& record) {
  Joins joins;
  for (const auto& [type, id] : record.joins) {
    const auto container = containers.find(id);
    const Snapshot snapshot = container ? look_at(*container) : Snapshot{};
    if (!snapshot.running()) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("container {} is not running: its {} namespace is gone",
                              snapshot.record.name.empty() ? id.substr(0, 12) : snapshot.record.name, type),
                  "start that container first");
    }
    joins.monitor = snapshot.state->monitor_pid;
    joins.paths[type] = fmt::format("/proc/{}/ns/{}", snapshot.state->pid, type == "network" ? "net" : type);
  }
  return joins;
}

void merge_namespaces(const Containers& containers, const RunOptions& options, ContainerRecord& record,
                      runtime::ContainerSpec& spec) {
  if (options.network.size() > 1) {
    throw Error(ErrorCode::Unsupported, "more than one --network is not supported yet", "give one");
  }
  Joiner joiner(containers, record);
  const network::Mode mode = network::parse_mode(options.network.empty() ? "" : options.network.front());
  record.network = options.network.empty() ? mode.text : options.network.front();
  if (mode.kind == network::Mode::Kind::User && mode.options.empty() && !mode.host_loopback) record.network = mode.text;
  if (mode.kind == network::Mode::Kind::Host) spec.net = runtime::NamespaceChoice::host();
  if (mode.kind == network::Mode::Kind::Join) {
    spec.net = mode.path.empty() ? joiner.join(mode.container, "net") : runtime::NamespaceChoice::join(mode.path);
  }
  spec.pid = joiner.choose(options.pid, "pid");
  spec.ipc = joiner.choose(options.ipc, "ipc");
  spec.uts = joiner.choose(options.uts, "uts");
  spec.cgroup = joiner.choose(options.cgroupns, "cgroup");
  const std::string userns = options.userns.value_or("");
  const bool mapped = !options.uidmap.empty() || !options.gidmap.empty();
  if (mapped && !userns.empty() && userns != "private") {
    throw Error(ErrorCode::InvalidArgument, "--userns and --uidmap or --gidmap contradict each other");
  }
  if (mapped) {
    map_ids(options, spec);
  } else if (userns == "keep-id" || userns.starts_with("keep-id:")) {
    keep_id(std::string_view(userns).substr(std::min<std::size_t>(userns.size(), 8)), spec);
  } else if (userns.starts_with("auto") || userns == "nomap" || userns.starts_with("ns:") ||
             userns.starts_with("container:")) {
    throw Error(
        ErrorCode::Unsupported, fmt::format("--userns={} is not supported", userns),
        "files of the image would belong to nobody: that needs id-mapped mounts, which are root's; use keep-id");
  } else if (!userns.empty() && userns != "host" && userns != "private") {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--userns={}: unknown", userns), "use host or keep-id");
  }
}

void merge_security(const RunOptions& options, ContainerRecord& record, runtime::ContainerSpec& spec) {
  record.privileged = spec.privileged = options.privileged;
  const auto changes = spec::normalize_capabilities(split_commas(options.cap_add), split_commas(options.cap_drop));
  spec.cap_add = changes.add;
  spec.cap_drop = changes.drop;
  for (const auto& text : options.security_opt) apply_security_option(text, spec);
  spec.read_only = options.read_only;
  spec.read_only_tmpfs = options.read_only_tmpfs.value_or(true);
  for (const auto& text : options.device) {
    const auto device = spec::parse_device(text);
    spec.devices.push_back({device.host_path, device.container_path.empty() ? device.host_path : device.container_path,
                            device.access.empty() ? "rwm" : device.access});
  }
  if (!options.device_cgroup_rule.empty()) {
    throw Error(ErrorCode::Unsupported, "--device-cgroup-rule is not supported yet", "name the device with --device");
  }
  for (const auto& text : options.sysctl) {
    const auto pair = cut(text, "=");
    if (!pair || pair->first.empty()) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("--sysctl={}: not KEY=VALUE", text));
    }
    spec.sysctls[std::string(pair->first)] = pair->second;
  }
  for (const auto& text : options.ulimit) {
    if (text == "host") continue;  // limits are inherited anyway
    const auto limit = spec::parse_ulimit(text);
    const auto number = [](std::int64_t value) {
      return value == spec::kUnlimited ? std::numeric_limits<std::uint64_t>::max() : static_cast<std::uint64_t>(value);
    };
    spec.rlimits.push_back({limit.rlimit_name(), number(limit.hard), number(limit.soft)});
  }
}

void merge_limits(const RunOptions& options, ContainerRecord& record, runtime::ContainerSpec& spec) {
  const std::string cgroups = options.cgroups.value_or("enabled");
  if (cgroups != "enabled" && cgroups != "no-conmon" && cgroups != "disabled") {
    throw Error(ErrorCode::Unsupported, fmt::format("--cgroups={} is not supported", cgroups),
                "use enabled or disabled");
  }
  record.no_cgroup = cgroups == "disabled";
  if (options.shm_size) spec.shm_size = static_cast<std::uint64_t>(parse_bytes("shm-size", *options.shm_size));
  spec.oom_score_adj = options.oom_score_adj;
  auto& resources = spec.resources;
  // 0 means no limit, with the peers as well.
  const auto bytes = [](const char* flag, const std::optional<std::string>& text) -> std::optional<std::int64_t> {
    const std::int64_t value = text ? parse_bytes(flag, *text) : 0;
    return value == 0 ? std::nullopt : std::optional(value);
  };
  resources.memory_limit = bytes("memory", options.memory);
  resources.memory_reservation = bytes("memory-reservation", options.memory_reservation);
  if (options.memory_swap && *options.memory_swap != "0") {
    resources.memory_swap = *options.memory_swap == "-1" ? -1 : parse_bytes("memory-swap", *options.memory_swap);
  } else if (resources.memory_limit) {
    resources.memory_swap = 2 * *resources.memory_limit;  // as the peers: as much swap as memory
  }
  if (options.cpus) set_cpus(*options.cpus, resources);
  if (options.cpu_shares && *options.cpu_shares != 0)
    resources.cpu_shares = static_cast<std::uint64_t>(*options.cpu_shares);
  if (options.cpu_period && *options.cpu_period != 0)
    resources.cpu_period = static_cast<std::uint64_t>(*options.cpu_period);
  if (options.cpu_quota && *options.cpu_quota != 0) resources.cpu_quota = *options.cpu_quota;
  resources.cpus = options.cpuset_cpus.value_or("");
  resources.mems = options.cpuset_mems.value_or("");
  if (options.blkio_weight && *options.blkio_weight != 0) {
    if (*options.blkio_weight < 10 || *options.blkio_weight > 1000) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("--blkio-weight={}: not from 10 to 1000", *options.blkio_weight));
    }
    resources.block_io_weight = static_cast<std::uint16_t>(*options.blkio_weight);
  }
  // 0 and below mean no limit, which needs nobody's help.
  if (options.pids_limit && *options.pids_limit > 0) resources.pids_limit = *options.pids_limit;

  const bool memory = resources.memory_limit || resources.memory_reservation || resources.memory_swap;
  const bool cpu = resources.cpu_quota || resources.cpu_period || resources.cpu_shares;
  const bool cpuset = !resources.cpus.empty() || !resources.mems.empty();
  if (!memory && !cpu && !cpuset && !resources.pids_limit && !resources.block_io_weight) return;
  if (record.no_cgroup) throw Error(ErrorCode::InvalidArgument, "limits need a cgroup, --cgroups=disabled forbids it");
  const os::CgroupFacts facts = os::gather_cgroup_facts();
  const auto first_of = [](const char* flag, bool given, const char* other) { return given ? flag : other; };
  if (memory) {
    const char* other = first_of("memory-swap", options.memory_swap.has_value(), "memory-reservation");
    need_controller(facts, first_of("memory", options.memory.has_value(), other), "memory");
  }
  if (cpu) {
    const char* other = first_of("cpu-shares", options.cpu_shares.has_value(), "cpu-quota");
    need_controller(facts, first_of("cpus", options.cpus.has_value(), other), "cpu");
  }
  if (cpuset) need_controller(facts, first_of("cpuset-cpus", !resources.cpus.empty(), "cpuset-mems"), "cpuset");
  if (resources.block_io_weight) need_controller(facts, "blkio-weight", "io");
  if (resources.pids_limit) need_controller(facts, "pids-limit", "pids");
}

}  // namespace proa::engine
