#include "libcommon/os/owner_note.h"

#include "libcommon/base/strings.h"

namespace proa::os {

std::string encode_owner(FileOwner owner) { return std::to_string(owner.uid) + ":" + std::to_string(owner.gid); }

std::optional<FileOwner> decode_owner(std::string_view text) {
  auto parts = cut(text, ":");
  if (!parts) return std::nullopt;
  auto uid = parse_integer<std::uint32_t>(parts->first);
  auto gid = parse_integer<std::uint32_t>(parts->second);
  if (!uid || !gid) return std::nullopt;
  return FileOwner{*uid, *gid};
}

}  // namespace proa::os
