// Where a file cannot have the owner it should have (one mapped id), an extended attribute says who that is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proa::os {

inline constexpr const char* kOwnerXattr = "user.proa.owner";  // "UID:GID"

struct FileOwner {
  std::uint32_t uid = 0, gid = 0;
  bool operator==(const FileOwner&) const = default;
};

std::string encode_owner(FileOwner owner);
std::optional<FileOwner> decode_owner(std::string_view text);

}  // namespace proa::os
