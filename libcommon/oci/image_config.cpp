#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/oci/descriptor_json.h"
#include "libcommon/oci/image.h"

namespace proa::oci {
namespace {

using nlohmann::json;

// Old Docker configs may have a plain text where a list of words is meant.
std::optional<std::vector<std::string>> decode_words(const JsonObject& object, std::string_view key) {
  const json* member = object.find(key);
  if (member && member->is_string()) return std::vector<std::string>{member->get<std::string>()};
  return object.strings(key);
}

HealthConfig decode_health(const JsonObject& object) {
  HealthConfig health;
  health.test = object.strings_or_empty("Test");
  health.interval = object.integer("Interval").value_or(0);
  health.timeout = object.integer("Timeout").value_or(0);
  health.start_period = object.integer("StartPeriod").value_or(0);
  health.start_interval = object.integer("StartInterval").value_or(0);
  std::int64_t retries = object.integer("Retries").value_or(0);
  if (retries < 0 || retries > 1'000'000'000) object.fail("Retries", "out of range");
  health.retries = static_cast<int>(retries);
  return health;
}

void decode_run_config(const JsonObject& object, ImageConfig& config) {
  config.user = object.string_or_empty("User");
  config.exposed_ports = object.keys_of("ExposedPorts");
  config.env = object.strings_or_empty("Env");
  config.entrypoint = decode_words(object, "Entrypoint");
  config.cmd = decode_words(object, "Cmd");
  config.volumes = object.keys_of("Volumes");
  config.working_dir = object.string_or_empty("WorkingDir");
  config.labels = object.string_map("Labels");
  config.stop_signal = object.string_or_empty("StopSignal");
  config.args_escaped = object.boolean("ArgsEscaped");
  if (auto health = object.object("Healthcheck")) config.healthcheck = decode_health(*health);
  config.shell = decode_words(object, "Shell").value_or(std::vector<std::string>());
  config.on_build = object.strings_or_empty("OnBuild");
}

void decode_rootfs(const JsonObject& object, ImageConfig& config) {
  if (object.string_or_empty("type") != "layers") object.fail("type", "not \"layers\"");
  std::vector<std::string> ids = object.strings_or_empty("diff_ids");
  if (ids.size() > kMaxLayers) object.fail("diff_ids", fmt::format("more than {} layers", kMaxLayers));
  for (const auto& id : ids) {
    auto digest = Digest::try_parse(id);
    if (!digest) object.fail(fmt::format("diff_ids[{}]", config.diff_ids.size()), "not a valid digest");
    config.diff_ids.emplace_back(*digest);
  }
}

History decode_history(const JsonObject& object) {
  History entry;
  entry.created = object.string("created");
  entry.author = object.string_or_empty("author");
  entry.created_by = object.string_or_empty("created_by");
  entry.comment = object.string_or_empty("comment");
  entry.empty_layer = object.boolean("empty_layer").value_or(false);
  return entry;
}

// Sets a member, or takes it away where the field says nothing.
template <typename Value>
void put(json& object, const char* key, const Value& value) {
  if (value.empty()) {
    object.erase(key);
  } else {
    object[key] = value;
  }
}

template <typename Value>
void put(json& object, const char* key, const std::optional<Value>& value) {
  if (value) {
    object[key] = *value;
  } else {
    object.erase(key);
  }
}

void put_number(json& object, const char* key, std::int64_t number) {
  if (number == 0) {
    object.erase(key);
  } else {
    object[key] = number;
  }
}

void put_set(json& object, const char* key, const std::vector<std::string>& names) {
  object.erase(key);
  for (const auto& name : names) object[key][name] = json::object();
}

json encode_health(const HealthConfig& health) {
  json object = json::object();
  put(object, "Test", health.test);
  put_number(object, "Interval", health.interval);
  put_number(object, "Timeout", health.timeout);
  put_number(object, "StartPeriod", health.start_period);
  put_number(object, "StartInterval", health.start_interval);
  put_number(object, "Retries", health.retries);
  return object;
}

void encode_run_config(const ImageConfig& config, json& object) {
  put(object, "User", config.user);
  put_set(object, "ExposedPorts", config.exposed_ports);
  put(object, "Env", config.env);
  put(object, "Entrypoint", config.entrypoint);
  put(object, "Cmd", config.cmd);
  put_set(object, "Volumes", config.volumes);
  put(object, "WorkingDir", config.working_dir);
  put(object, "Labels", config.labels);
  put(object, "StopSignal", config.stop_signal);
  put(object, "ArgsEscaped", config.args_escaped);
  object.erase("Healthcheck");
  if (config.healthcheck) object["Healthcheck"] = encode_health(*config.healthcheck);
  put(object, "Shell", config.shell);
  put(object, "OnBuild", config.on_build);
}

json encode_history(const std::vector<History>& history) {
  json list = json::array();
  for (const auto& entry : history) {
    json object = json::object();
    put(object, "created", entry.created);
    put(object, "author", entry.author);
    put(object, "created_by", entry.created_by);
    put(object, "comment", entry.comment);
    if (entry.empty_layer) object["empty_layer"] = true;
    list.push_back(std::move(object));
  }
  return list;
}

// What encode() starts from: the document the config came from, so that members we do not know stay.
json base_document(const std::string& raw) {
  json root = raw.empty() ? json::object() : parse_json(raw, "image config", kMaxConfigSize);
  PROA_CHECK(root.is_object());
  for (const char* key : {"config", "rootfs"}) {
    if (!root.contains(key) || !root[key].is_object()) root[key] = json::object();
  }
  return root;
}

}  // namespace

ImageConfig ImageConfig::parse(std::string raw) {
  json root = parse_json(raw, "image config", kMaxConfigSize);
  JsonObject object(root, "image config");
  ImageConfig config;
  config.created = object.string("created");
  config.author = object.string_or_empty("author");
  config.platform = decode_platform(object);
  if (auto run = object.object("config")) decode_run_config(*run, config);
  if (auto rootfs = object.object("rootfs")) decode_rootfs(*rootfs, config);
  for (const auto& entry : object.objects("history")) config.history.push_back(decode_history(entry));
  config.raw = std::move(raw);
  return config;
}

ImageConfig ImageConfig::encode(ImageConfig fields) {
  json root = base_document(fields.raw);
  put(root, "created", fields.created);
  put(root, "author", fields.author);
  encode_platform(fields.platform, root);
  encode_run_config(fields, root["config"]);
  json diff_ids = json::array();
  for (const auto& id : fields.diff_ids) diff_ids.push_back(id.str());
  root["rootfs"]["type"] = "layers";
  root["rootfs"]["diff_ids"] = std::move(diff_ids);
  if (fields.history.empty()) {
    root.erase("history");
  } else {
    root["history"] = encode_history(fields.history);
  }
  fields.raw = dump_json(root);
  return fields;
}

}  // namespace proa::oci
