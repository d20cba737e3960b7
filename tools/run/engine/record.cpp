#include "tools/run/engine/record.h"

#include <nlohmann/json.hpp>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"

namespace proa::engine {
namespace {

using Json = nlohmann::json;

Json port_json(const spec::PortMapping& port) {
  return {{"container", port.container_port},
          {"protocol", port.protocol},
          {"ip", port.host_ip},
          {"first", port.host_ports.first},
          {"last", port.host_ports.last}};
}

spec::PortMapping port_from(const Json& json) {
  spec::PortMapping port;
  json.at("container").get_to(port.container_port);
  json.at("protocol").get_to(port.protocol);
  json.at("ip").get_to(port.host_ip);
  json.at("first").get_to(port.host_ports.first);
  json.at("last").get_to(port.host_ports.last);
  return port;
}

Json mount_json(const MountNote& mount) {
  return {{"type", mount.type},
          {"name", mount.name},
          {"source", mount.source},
          {"destination", mount.destination},
          {"read_only", mount.read_only}};
}

MountNote mount_from(const Json& json) {
  MountNote mount;
  json.at("type").get_to(mount.type);
  json.at("name").get_to(mount.name);
  json.at("source").get_to(mount.source);
  json.at("destination").get_to(mount.destination);
  json.at("read_only").get_to(mount.read_only);
  return mount;
}

// Field by field with one list for both directions, so that they cannot drift apart.
template <typename Record, typename Visit>
void visit_fields(Record& r, Visit visit) {
  visit("id", r.id);
  visit("name", r.name);
  visit("image", r.image);
  visit("image_id", r.image_id);
  visit("top_layer", r.top_layer);
  visit("created", r.created);
  visit("entrypoint", r.entrypoint);
  visit("command", r.command);
  visit("labels", r.labels);
  visit("exposed", r.exposed);
  visit("network", r.network);
  visit("joins", r.joins);
  visit("dns_forward", r.dns_forward);
  visit("hostname", r.hostname);
  visit("terminal", r.terminal);
  visit("stdin_open", r.stdin_open);
  visit("auto_remove", r.auto_remove);
  visit("no_cgroup", r.no_cgroup);
  visit("init", r.init);
  visit("privileged", r.privileged);
  visit("stop_signal", r.stop_signal);
  visit("stop_timeout", r.stop_timeout);
  visit("restart_policy", r.restart_policy);
  visit("restart_limit", r.restart_limit);
  visit("runtime", r.runtime);
  visit("log_driver", r.log_driver);
  visit("pid_file", r.pid_file);
  visit("anonymous_volumes", r.anonymous_volumes);
}

template <typename Visit>
void visit_state(auto& s, Visit visit) {
  visit("pid", s.pid);
  visit("start_time", s.start_time);
  visit("helper_pid", s.helper_pid);
  visit("helper_start_time", s.helper_start_time);
  visit("monitor_pid", s.monitor_pid);
  visit("started", s.started);
  visit("boot_id", s.boot_id);
  visit("cgroup", s.cgroup);
  visit("restarts", s.restarts);
}

template <typename Visit>
void visit_exit(auto& e, Visit visit) {
  visit("exit_code", e.exit_code);
  visit("started", e.started);
  visit("finished", e.finished);
  visit("oom_killed", e.oom_killed);
  visit("error", e.error);
  visit("restarting", e.restarting);
  visit("restarts", e.restarts);
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

// Runs `read` on the parsed text; every mistake of the file is Corrupt.
template <typename Read>
auto decode(std::string_view text, std::string_view what, Read read) {
  try {
    return read(Json::parse(text));
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::Corrupt, std::string(what) + " cannot be read: " + error.what());
  }
}

}  // namespace

std::string ContainerRecord::encode() const {
  Json json{{"version", kRecordVersion}};
  visit_fields(*this, [&](const char* key, const auto& value) { json[key] = value; });
  json["ports"] = Json::array();
  for (const auto& port : ports) json["ports"].push_back(port_json(port));
  json["mounts"] = Json::array();
  for (const auto& mount : mounts) json["mounts"].push_back(mount_json(mount));
  return dump(json);
}

ContainerRecord ContainerRecord::parse(std::string_view text) {
  return decode(text, "record.json", [](const Json& json) {
    if (json.at("version").get<int>() > kRecordVersion) {
      throw Error(ErrorCode::Unsupported, "the container was made by a newer proa");
    }
    ContainerRecord record;
    visit_fields(record, [&](const char* key, auto& value) { json.at(key).get_to(value); });
    for (const auto& port : json.at("ports")) record.ports.push_back(port_from(port));
    for (const auto& mount : json.at("mounts")) record.mounts.push_back(mount_from(mount));
    return record;
  });
}

std::string RunState::encode() const {
  Json json = Json::object();
  visit_state(*this, [&](const char* key, const auto& value) { json[key] = value; });
  return dump(json);
}

RunState RunState::parse(std::string_view text) {
  return decode(text, "state.json", [](const Json& json) {
    RunState state;
    visit_state(state, [&](const char* key, auto& value) { json.at(key).get_to(value); });
    return state;
  });
}

std::string ExitRecord::encode() const {
  Json json = Json::object();
  visit_exit(*this, [&](const char* key, const auto& value) { json[key] = value; });
  return dump(json);
}

ExitRecord ExitRecord::parse(std::string_view text) {
  return decode(text, "exit.json", [](const Json& json) {
    ExitRecord exit;
    visit_exit(exit, [&](const char* key, auto& value) { json.at(key).get_to(value); });
    return exit;
  });
}

std::string boot_id() { return std::string(trim(os::read_file("/proc/sys/kernel/random/boot_id", 64))); }

}  // namespace proa::engine
