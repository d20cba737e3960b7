#include "tools/run/engine/record.h"

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/json.h"
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
  return {{"type", mount.type},           {"name", mount.name},
          {"source", mount.source},       {"destination", mount.destination},
          {"read_only", mount.read_only}, {"propagation", mount.propagation},
          {"options", mount.options}};
}

MountNote mount_from(const Json& json) {
  MountNote mount;
  json.at("type").get_to(mount.type);
  json.at("name").get_to(mount.name);
  json.at("source").get_to(mount.source);
  json.at("destination").get_to(mount.destination);
  json.at("read_only").get_to(mount.read_only);
  mount.propagation = json.value("propagation", "");
  mount.options = json.value("options", mount.options);
  return mount;
}

void visit_parts(auto& m, auto visit) requires requires { m.subpath; }
{
  visit("kind", m.kind);
  visit("source", m.source);
  visit("subpath", m.subpath);
  visit("upper", m.upper);
  visit("work", m.work);
  visit("writable", m.writable);
}

void visit_parts(auto& s, auto visit) requires requires { s.variable; }
{
  visit("id", s.id);
  visit("name", s.name);
  visit("target", s.target);
  visit("variable", s.variable);
  visit("uid", s.uid);
  visit("gid", s.gid);
  visit("mode", s.mode);
}

void visit_parts(auto& c, auto visit) requires requires { c.start_interval; }
{
  visit("test", c.test);
  visit("interval", c.interval);
  visit("timeout", c.timeout);
  visit("start_period", c.start_period);
  visit("start_interval", c.start_interval);
  visit("retries", c.retries);
  visit("successes", c.successes);
}

void visit_parts(auto& h, auto visit) requires requires { h.failing_streak; }
{
  visit("status", h.status);
  visit("failing_streak", h.failing_streak);
  visit("startup_successes", h.startup_successes);
  visit("startup_failures", h.startup_failures);
  visit("started_up", h.started_up);
}

void visit_parts(auto& e, auto visit) requires requires { e.output; }
{
  visit("start", e.start);
  visit("end", e.end);
  visit("output", e.output);
  visit("exit_code", e.exit_code);
}

Json parts_json(const auto& object) {
  Json json = Json::object();
  visit_parts(object, [&](const char* key, const auto& value) { json[key] = value; });
  return json;
}

// A member that the file does not have keeps its default.
auto take_member(const Json& json) {
  return [&json](const char* key, auto& value) {
    if (const auto found = json.find(key); found != json.end()) found->get_to(value);
  };
}

template <typename Part>
void take_list(const Json& json, const char* key, std::vector<Part>& list) {
  for (const auto& one : json.value(key, Json::array())) visit_parts(list.emplace_back(), take_member(one));
}

Json list_json(const auto& list) {
  Json json = Json::array();
  for (const auto& one : list) json.push_back(parts_json(one));
  return json;
}

Json health_json(const HealthPlan& health) {
  return {{"check", parts_json(health.check)},
          {"startup", parts_json(health.startup)},
          {"on_failure", health.on_failure},
          {"max_log_count", health.max_log_count},
          {"max_log_size", health.max_log_size}};
}

void take_health(const Json& json, HealthPlan& health) {
  visit_parts(health.check, take_member(json.at("check")));
  visit_parts(health.startup, take_member(json.at("startup")));
  json.at("on_failure").get_to(health.on_failure);
  json.at("max_log_count").get_to(health.max_log_count);
  json.at("max_log_size").get_to(health.max_log_size);
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

// What came later: absent in records of older versions.
template <typename Record, typename Visit>
void visit_later_fields(Record& r, Visit visit) {
  visit("user", r.user);
  visit("timeout", r.timeout);
  visit("remove_image", r.remove_image);
  visit("notify", r.notify);
  visit("notify_socket", r.notify_socket);
  visit("preserved_fds", r.preserved_fds);
  visit("log_max_size", r.log_max_size);
  visit("log_max_files", r.log_max_files);
  visit("log_tag", r.log_tag);
  visit("cid_file", r.cid_file);
  visit("modes", r.modes);
  visit("create_command", r.create_command);
  visit("group_add", r.group_add);
  visit("security_options", r.security_options);
  visit("cap_add", r.cap_add);
  visit("cap_drop", r.cap_drop);
  visit("volumes_from", r.volumes_from);
  visit("dns", r.dns);
  visit("dns_search", r.dns_search);
  visit("dns_options", r.dns_options);
  visit("add_hosts", r.add_hosts);
  visit("aliases", r.aliases);
  visit("required", r.required);
  visit("device_options", r.device_options);
  visit("ulimits", r.ulimits);
  visit("publish_all", r.publish_all);
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
  visit("by_user", e.by_user);
  visit("restarts", e.restarts);
}

std::string dump(const Json& json) { return json_text(json) + "\n"; }

// Runs `read` on the parsed text; every mistake of the file is Corrupt.
template <typename Read>
auto decode(std::string_view text, std::string_view what, Read read) {
  try {
    return read(oci::parse_json(text, what, text.size()));
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
  visit_later_fields(*this, [&](const char* key, const auto& value) { json[key] = value; });
  if (!prepared.empty()) json["prepared"] = list_json(prepared);
  if (!secrets.empty()) json["secrets"] = list_json(secrets);
  if (health.check.active()) json["health"] = health_json(health);
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
    visit_later_fields(record, take_member(json));
    take_list(json, "prepared", record.prepared);
    take_list(json, "secrets", record.secrets);
    if (json.contains("health")) take_health(json.at("health"), record.health);
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
    visit_exit(exit, take_member(json));
    return exit;
  });
}

std::string HealthState::encode() const {
  Json json = parts_json(*this);
  json["log"] = list_json(log);
  return dump(json);
}

HealthState HealthState::parse(std::string_view text) {
  return decode(text, "health.json", [](const Json& json) {
    HealthState state;
    visit_parts(state, take_member(json));
    take_list(json, "log", state.log);
    return state;
  });
}

std::string boot_id() { return std::string(trim(os::read_file("/proc/sys/kernel/random/boot_id", 64))); }

}  // namespace proa::engine
