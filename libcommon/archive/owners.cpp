#include "libcommon/archive/owners.h"

#include <array>

#include "libcommon/base/strings.h"

namespace proa::archive {

std::string encode_device(const Device& device) {
  return std::string(device.kind == EntryKind::CharDevice ? "c:" : "b:") + std::to_string(device.major) + ":" +
         std::to_string(device.minor);
}

std::optional<Device> decode_device(std::string_view text) {
  if (!text.starts_with("c:") && !text.starts_with("b:")) return std::nullopt;
  auto numbers = cut(text.substr(2), ":");
  if (!numbers) return std::nullopt;
  auto major = parse_integer<std::uint32_t>(numbers->first);
  auto minor = parse_integer<std::uint32_t>(numbers->second);
  if (!major || !minor) return std::nullopt;
  return Device{text[0] == 'c' ? EntryKind::CharDevice : EntryKind::BlockDevice, *major, *minor};
}

bool is_layer_xattr(std::string_view name) {
  if (name == "security.capability") return true;
  if (!name.starts_with("user.") || name.size() == 5) return false;
  constexpr std::array<std::string_view, 4> kBookkeeping = {"user.overlay.", "user.fuseoverlayfs.", "user.containers.",
                                                            "user.proa."};
  for (auto prefix : kBookkeeping) {
    if (name.starts_with(prefix)) return false;
  }
  // The key of a PAX record ends at the first '='.
  return name.find('=') == std::string_view::npos;
}

std::optional<std::string> portable_capability(std::string_view value) {
  if (value.size() < 4) return std::nullopt;
  const auto revision = static_cast<unsigned char>(value[3]);
  if (revision == 2 && value.size() == 20) return std::string(value);
  if (revision != 3 || value.size() != 24 || value.substr(20) != std::string_view("\0\0\0\0", 4)) return std::nullopt;
  std::string plain(value.substr(0, 20));
  plain[3] = 2;
  return plain;
}

}  // namespace proa::archive
