#include "libcommon/os/user.h"

#include <unistd.h>

#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"

namespace proa::os {
namespace {

constexpr std::uint64_t kMaxDatabase = 1 << 20;

std::vector<std::string> lines_of(const Path& path) {
  auto text = try_read_file(path, kMaxDatabase);
  return text ? split(*text, '\n') : std::vector<std::string>{};
}

std::vector<SubordinateRange> ranges_in(const Path& path, uid_t uid) {
  std::vector<SubordinateRange> ranges;
  std::string number = std::to_string(uid);
  std::optional<std::string> name = user_name(uid);
  for (const auto& line : lines_of(path)) {
    auto fields = split(trim(line), ':');
    if (fields.size() != 3 || (fields[0] != number && fields[0] != name)) continue;
    auto first = parse_integer<std::uint32_t>(fields[1]);
    auto count = parse_integer<std::uint32_t>(fields[2]);
    if (first && count && *count > 0) ranges.push_back({*first, *count});
  }
  return ranges;
}

// Fields of the passwd(5) line with this uid.
std::optional<std::vector<std::string>> passwd_entry(uid_t uid) {
  std::string number = std::to_string(uid);
  for (const auto& line : lines_of("/etc/passwd")) {
    auto fields = split(line, ':');
    if (fields.size() >= 7 && fields[2] == number) return fields;
  }
  return std::nullopt;
}

}  // namespace

std::vector<SubordinateRange> subordinate_uids(uid_t uid) { return ranges_in("/etc/subuid", uid); }
std::vector<SubordinateRange> subordinate_gids(uid_t uid) { return ranges_in("/etc/subgid", uid); }

std::optional<std::string> user_name(uid_t uid) {
  auto entry = passwd_entry(uid);
  if (!entry) return std::nullopt;
  return (*entry)[0];
}

std::string home_directory() {
  const char* set = std::getenv("HOME");
  bool usable = set != nullptr && set[0] == '/';
  if (usable) {
    // sudo and su may leave the HOME of the user they came from; what lies there is not ours.
    auto status = try_stat(set, AT_FDCWD, 0);
    if (!status || status->st_uid == ::geteuid()) return set;
  }
  if (auto entry = passwd_entry(::geteuid()); entry && (*entry)[5].starts_with('/')) return (*entry)[5];
  if (usable) return set;
  throw Error(ErrorCode::InvalidArgument, "no home directory: HOME is not set to an absolute path",
              "set HOME to a directory that you may write to");
}

}  // namespace proa::os
