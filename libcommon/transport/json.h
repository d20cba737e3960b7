// The few small JSON texts that are no manifests.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa::transport {

// The member of an object, when it is a string. Corrupt when the text is no object.
std::optional<std::string> json_string_member(std::string_view text, std::string_view member);

// One image of a docker-archive's manifest.json.
struct ArchiveItem {
  std::string config;
  std::vector<std::string> repo_tags;
  std::vector<std::string> layers;
};
std::vector<ArchiveItem> parse_archive_manifest(std::string_view text);  // Corrupt when malformed
std::string encode_archive_manifest(const std::vector<ArchiveItem>& items);
std::string encode_nested_map(const std::map<std::string, std::map<std::string, std::string>>& map);

}  // namespace proa::transport
