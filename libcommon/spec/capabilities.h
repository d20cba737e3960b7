// --cap-add and --cap-drop: names as written, made uniform. Whether a name exists says os/caps.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace proa::spec {

inline constexpr std::string_view kAllCapabilities = "ALL";

std::string normalize_capability(std::string_view text);  // " net_raw" -> "CAP_NET_RAW", "all" -> "ALL"

struct CapabilityChanges {
  std::vector<std::string> add, drop;  // normalised, sorted, each name once; ALL stands alone
};
// What is added is not dropped.
CapabilityChanges normalize_capabilities(const std::vector<std::string>& add, const std::vector<std::string>& drop);

}  // namespace proa::spec
