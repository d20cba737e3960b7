// Platforms as image-index.md has them and as containerd normalises and matches them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa::oci {

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;
  std::string os_version;
  std::vector<std::string> os_features;

  // "linux/arm64/v8", "arm64", "linux": containerd's platforms.Parse. InvalidArgument when malformed.
  static Platform parse(std::string_view text);
  static Platform host();   // of the running machine
  std::string str() const;  // "linux/arm/v7", normalised

  bool operator==(const Platform&) const = default;
};

Platform normalize(Platform platform);
// Smaller is better; nullopt when an image for `offered` does not run on `wanted`.
std::optional<int> match_rank(const Platform& wanted, const Platform& offered);

}  // namespace proa::oci
