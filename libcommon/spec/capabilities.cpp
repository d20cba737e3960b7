#include "libcommon/spec/capabilities.h"

#include <set>

#include "libcommon/base/strings.h"

namespace proa::spec {
namespace {

std::set<std::string, std::less<>> normalize_list(const std::vector<std::string>& names) {
  std::set<std::string, std::less<>> unique;
  for (const auto& name : names) unique.insert(normalize_capability(name));
  if (unique.contains(kAllCapabilities)) return {std::string(kAllCapabilities)};
  return unique;
}

}  // namespace

std::string normalize_capability(std::string_view text) {
  std::string name = to_upper(trim(text));
  if (name == kAllCapabilities || name.starts_with("CAP_")) return name;
  return "CAP_" + name;
}

CapabilityChanges normalize_capabilities(const std::vector<std::string>& add, const std::vector<std::string>& drop) {
  auto added = normalize_list(add);
  CapabilityChanges changes;
  for (const auto& name : normalize_list(drop)) {
    if (!added.contains(name)) changes.drop.push_back(name);
  }
  changes.add.assign(added.begin(), added.end());
  return changes;
}

}  // namespace proa::spec
