// Owners and devices of a layer where they cannot be real: kept in extended attributes. docs/disk-layout.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libcommon/archive/tar_entry.h"
#include "libcommon/os/owner_note.h"

namespace proa::archive {

using os::decode_owner;
using os::encode_owner;
using os::kOwnerXattr;
inline constexpr const char* kDeviceXattr = "user.proa.device";  // "c:MAJOR:MINOR" or "b:MAJOR:MINOR"

using Owner = os::FileOwner;
struct Device {
  EntryKind kind = EntryKind::CharDevice;
  std::uint32_t major = 0, minor = 0;
};

std::string encode_device(const Device& device);
std::optional<Device> decode_device(std::string_view text);

// Attributes that layers carry: user.* but for overlay's, fuse-overlayfs', containers/storage's and our own
// bookkeeping, and security.capability. Everything else is the machine's business.
bool is_layer_xattr(std::string_view name);

// security.capability as layers have it: revision 2, 20 bytes. Revision 3 with root id 0 says the same. nullopt:
// malformed, or meant for another user namespace. include/uapi/linux/capability.h.
std::optional<std::string> portable_capability(std::string_view value);

}  // namespace proa::archive
