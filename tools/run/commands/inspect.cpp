#include <errno.h>
#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/table.h"
#include "libcommon/os/file.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/engine/image.h"

namespace proa::commands {
namespace {

using Json = nlohmann::json;
using engine::Snapshot;
using engine::Status;

struct InspectOptions {
  std::vector<std::string> names;
  std::string format, type;
  bool latest = false, size = false;
};

Json state_json(const Snapshot& s) {
  const bool running = s.running();
  return {{"Status", engine::status_word(s.status)},
          {"Running", running},
          {"Paused", s.status == Status::Paused},
          {"Restarting", s.status == Status::Restarting},
          {"OOMKilled", s.exit && s.exit->oom_killed},
          {"Dead", s.status == Status::Damaged},
          {"Pid", running ? s.state->pid : 0},
          {"MonitorPid", running ? s.state->monitor_pid : 0},
          // Never invented: an end that nobody saw has no code.
          {"ExitCode", s.exit                     ? Json(s.exit->exit_code)
                       : s.status == Status::Lost ? Json(nullptr)
                                                  : Json(0)},
          {"Error", s.exit && !s.exit->error.empty() ? s.exit->error : s.problem},
          {"StartedAt", s.state  ? s.state->started
                        : s.exit ? s.exit->started
                                 : "0001-01-01T00:00:00Z"},
          {"FinishedAt", s.exit ? s.exit->finished : "0001-01-01T00:00:00Z"},
          {"CgroupPath", s.state ? s.state->cgroup : ""}};
}

Json bindings(const engine::ContainerRecord& record) {
  Json ports = Json::object();
  for (const auto& port : record.exposed) ports[port] = nullptr;
  for (const auto& port : record.ports) {
    Json& list = ports[port.container_text()];
    if (!list.is_array()) list = Json::array();
    list.push_back({{"HostIp", port.host_ip.empty() ? "0.0.0.0" : port.host_ip},
                    {"HostPort", std::to_string(port.host_ports.first)}});
  }
  return ports;
}

Json mounts_json(const engine::ContainerRecord& record) {
  Json mounts = Json::array();
  for (const auto& mount : record.mounts) {
    Json one = {
        {"Type", mount.type}, {"Source", mount.source}, {"Destination", mount.destination},
        {"Mode", ""},         {"RW", !mount.read_only}, {"Propagation", mount.type == "tmpfs" ? "" : "rprivate"}};
    if (!mount.name.empty()) one["Name"] = mount.name, one["Driver"] = "local";
    mounts.push_back(std::move(one));
  }
  return mounts;
}

// The parts that only the specification knows; an empty one when the container was never made whole.
Json bundle_of(const engine::Container& container) {
  constexpr std::uint64_t kMax = 4u << 20;
  const auto text = os::try_read_file(container.file("bundle/config.json"), kMax);
  Json spec = text ? Json::parse(*text, nullptr, false) : Json::object();
  return spec.is_object() ? spec : Json::object();
}

Json config_json(const engine::ContainerRecord& r, const Json& process) {
  Json exposed = Json::object();
  for (const auto& port : r.exposed) exposed[port] = Json::object();
  const Json user = process.value("user", Json::object());
  return {{"Hostname", r.hostname},
          {"Domainname", ""},
          {"User", fmt::format("{}:{}", user.value("uid", 0u), user.value("gid", 0u))},
          {"AttachStdin", r.stdin_open},
          {"AttachStdout", true},
          {"AttachStderr", true},
          {"Tty", r.terminal},
          {"OpenStdin", r.stdin_open},
          {"StdinOnce", false},
          {"Env", process.value("env", Json::array())},
          {"Cmd", r.command},
          {"Image", r.image},
          {"WorkingDir", process.value("cwd", "/")},
          {"Entrypoint", r.entrypoint.empty() ? Json(nullptr) : Json(r.entrypoint)},
          {"Labels", r.labels},
          {"ExposedPorts", exposed},
          {"StopSignal", r.stop_signal},
          {"StopTimeout", r.stop_timeout}};
}

Json host_config_json(const engine::ContainerRecord& r, const Json& spec) {
  Json binds = Json::array();
  for (const auto& mount : r.mounts) {
    if (mount.type == "tmpfs") continue;
    binds.push_back(fmt::format("{}:{}:{}", mount.name.empty() ? mount.source : mount.name, mount.destination,
                                mount.read_only ? "ro" : "rw"));
  }
  const Json root = spec.value("root", Json::object());
  return {{"Binds", binds},
          {"NetworkMode", r.network},
          {"PortBindings", bindings(r)},
          {"AutoRemove", r.auto_remove},
          {"Privileged", r.privileged},
          {"Init", r.init},
          {"ReadonlyRootfs", root.value("readonly", false)},
          {"RestartPolicy", {{"Name", r.restart_policy}, {"MaximumRetryCount", r.restart_limit}}},
          {"LogConfig", {{"Type", r.log_driver}}},
          {"Runtime", r.runtime.empty() ? "proa" : r.runtime}};
}

Json inspect_container(const engine::Container& container) {
  const Snapshot s = engine::look_at(container);
  const auto& r = s.record;
  const Json spec = bundle_of(container);
  const Json process = spec.value("process", Json::object());
  std::vector<std::string> words = r.entrypoint;
  words.insert(words.end(), r.command.begin(), r.command.end());
  const Json capabilities = process.value("capabilities", Json::object());
  return {{"Id", r.id},
          {"Created", r.created},
          {"Path", words.empty() ? "" : words.front()},
          {"Args", std::vector<std::string>(words.begin() + (words.empty() ? 0 : 1), words.end())},
          {"State", state_json(s)},
          {"Image", r.image_id},
          {"ImageName", r.image},
          {"Name", r.name},
          {"RestartCount", s.state  ? s.state->restarts
                           : s.exit ? s.exit->restarts
                                    : 0},
          {"Driver", "overlay"},
          {"OCIRuntime", r.runtime.empty() ? "proa" : r.runtime},
          {"OCIConfigPath", container.file("bundle/config.json")},
          {"HostsPath", container.file("bundle/hosts")},
          {"HostnamePath", container.file("bundle/hostname")},
          {"ResolvConfPath", container.file("bundle/resolv.conf")},
          {"LogPath", container.file("ctr.log")},
          {"EffectiveCaps", capabilities.value("effective", Json::array())},
          {"BoundingCaps", capabilities.value("bounding", Json::array())},
          {"GraphDriver", {{"Name", "overlay"}, {"Data", {{"UpperDir", container.file("upper")}}}}},
          {"Mounts", mounts_json(r)},
          {"Config", config_json(r, process)},
          {"HostConfig", host_config_json(r, spec)},
          {"NetworkSettings", {{"Ports", bindings(r)}, {"Networks", {{r.network, Json::object()}}}}}};
}

// Images are the other program's; it takes over with the same words.
[[noreturn]] void inspect_images(const InspectOptions& options) {
  const std::string program = engine::sibling_program("proa-copy");
  std::vector<std::string> words{program, "image", "inspect"};
  if (!options.format.empty()) words.push_back("--format=" + options.format);
  words.emplace_back("--");
  words.insert(words.end(), options.names.begin(), options.names.end());
  exec_program(program, std::move(words));
}

int inspect(cli::Context&, const InspectOptions& options) {
  if (options.type == "image") inspect_images(options);
  if (!options.type.empty() && options.type != "container" && options.type != "all") {
    throw Error(ErrorCode::Unsupported, fmt::format("--type={} is not supported", options.type),
                "use container or image");
  }
  const auto containers = open_containers();
  Json objects = Json::array();
  int result = 0;
  for (const auto& name : options.names) {
    if (const auto container = containers.find(name)) {
      objects.push_back(inspect_container(*container));
      continue;
    }
    if (options.type.empty() && objects.empty() && result == 0) inspect_images(options);
    cli::report(Error(ErrorCode::NotFound, fmt::format("no such container: {}", name)));
    result = 125;
  }
  if (!objects.empty() || options.format.empty()) print(cli::format_inspect(options.format, objects));
  if (options.format.empty() || options.format == "json") print("\n");
  return result;
}

void add_inspect_flags(cli::CommandBuilder<InspectOptions>& b) {
  b.value("format,f", &InspectOptions::format, "json, or a Go template", "FORMAT")
      .positionals("NAME [NAME...]", &InspectOptions::names, 1, cli::kAnyNumber, cli::Complete::Container);
}

}  // namespace

cli::Command inspect_command() {
  return cli::command<InspectOptions>("inspect", "Show containers or images as JSON")
      .with(add_inspect_flags)
      .value("type,t", &InspectOptions::type, "container or image", "TYPE")
      .runs(inspect);
}

}  // namespace proa::commands
