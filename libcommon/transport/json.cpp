#include "libcommon/transport/json.h"

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/oci/image.h"
#include "libcommon/oci/json.h"

namespace proa::transport {

namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxSize = 4 << 20;

}  // namespace

std::optional<std::string> json_string_member(std::string_view text, std::string_view member) {
  const Json json = oci::parse_json(text, "oci-layout", kMaxSize);
  return oci::JsonObject(json, "oci-layout").string(member);
}

std::vector<ArchiveItem> parse_archive_manifest(std::string_view text) {
  const Json list = oci::parse_json(text, "manifest.json", kMaxSize);
  if (!list.is_array()) throw Error(ErrorCode::Corrupt, "manifest.json is no list");
  std::vector<ArchiveItem> items;
  for (const auto& entry : list) {
    const oci::JsonObject item(entry, "manifest.json");
    items.push_back({.config = item.require_string("Config"),
                     .repo_tags = item.strings_or_empty("RepoTags"),
                     .layers = item.strings_or_empty("Layers")});
    if (items.back().layers.size() > oci::kMaxLayers) item.fail("Layers", "too many layers");
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
  return json_text(list);
}

std::string encode_nested_map(const std::map<std::string, std::map<std::string, std::string>>& map) {
  return json_text(Json(map));
}

}  // namespace proa::transport
