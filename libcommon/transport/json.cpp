#include "libcommon/transport/json.h"

#include <nlohmann/json.hpp>

#include "libcommon/base/error.h"

namespace proa::transport {

namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 100;

Json parse(std::string_view text, std::string_view what) {
  // The depth is limited while parsing: nested arrays would otherwise cost stack at destruction.
  const Json::parser_callback_t limit = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) throw Error(ErrorCode::Corrupt, std::string(what) + " is nested too deep");
    return true;
  };
  try {
    return Json::parse(text, limit);
  } catch (const Json::exception&) {
    throw Error(ErrorCode::Corrupt, std::string(what) + " is not valid JSON");
  }
}

std::vector<std::string> strings(const Json& object, const char* member, std::string_view what) {
  std::vector<std::string> result;
  const auto found = object.find(member);
  if (found == object.end() || found->is_null()) return result;
  const auto bad = [&] {
    return Error(ErrorCode::Corrupt, std::string(what) + ": " + member + " is no list of strings");
  };
  if (!found->is_array()) throw bad();
  for (const auto& entry : *found) {
    if (!entry.is_string()) throw bad();
    result.push_back(entry.get<std::string>());
  }
  return result;
}

}  // namespace

std::optional<std::string> json_string_member(std::string_view text, std::string_view member) {
  const Json object = parse(text, "a small JSON file");
  if (!object.is_object()) throw Error(ErrorCode::Corrupt, "a small JSON file is no object");
  const auto found = object.find(member);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::vector<ArchiveItem> parse_archive_manifest(std::string_view text) {
  const Json list = parse(text, "manifest.json");
  if (!list.is_array()) throw Error(ErrorCode::Corrupt, "manifest.json is no list");
  std::vector<ArchiveItem> items;
  for (const auto& entry : list) {
    if (!entry.is_object() || !entry.contains("Config") || !entry["Config"].is_string()) {
      throw Error(ErrorCode::Corrupt, "manifest.json has an image without Config");
    }
    items.push_back({.config = entry["Config"].get<std::string>(),
                     .repo_tags = strings(entry, "RepoTags", "manifest.json"),
                     .layers = strings(entry, "Layers", "manifest.json")});
  }
  return items;
}

std::string encode_archive_manifest(const std::vector<ArchiveItem>& items) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto& item : items) {
    nlohmann::ordered_json entry;
    entry["Config"] = item.config;
    entry["RepoTags"] = item.repo_tags;
    entry["Layers"] = item.layers;
    list.push_back(std::move(entry));
  }
  return list.dump();
}

std::string encode_nested_map(const std::map<std::string, std::map<std::string, std::string>>& map) {
  return Json(map).dump();
}

}  // namespace proa::transport
