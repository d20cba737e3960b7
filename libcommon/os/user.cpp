#include "libcommon/os/user.h"

#include <unistd.h>

#include <algorithm>
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

// Of the owners that `wanted` says.
template <typename Wanted>
std::vector<SubordinateRange> ranges_in(const Path& path, const Wanted& wanted) {
  std::vector<SubordinateRange> ranges;
  for (const auto& line : lines_of(path)) {
    auto fields = split(trim(line), ':');
    if (fields.size() != 3 || !wanted(fields[0])) continue;
    auto first = parse_integer<std::uint32_t>(fields[1]);
    auto count = parse_integer<std::uint32_t>(fields[2]);
    if (first && count && *count > 0) ranges.push_back({*first, *count});
  }
  return ranges;
}

std::vector<SubordinateRange> ranges_of(const Path& path, uid_t uid) {
  const std::string number = std::to_string(uid);
  const std::optional<std::string> name = user_name(uid);
  return ranges_in(path, [&](const std::string& owner) { return owner == number || owner == name; });
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

std::vector<SubordinateRange> subordinate_uids(uid_t uid) { return ranges_of("/etc/subuid", uid); }
std::vector<SubordinateRange> subordinate_gids(uid_t uid) { return ranges_of("/etc/subgid", uid); }

std::vector<SubordinateRange> taken_ids() {
  std::vector<SubordinateRange> taken;
  for (const char* path : {"/etc/subuid", "/etc/subgid"}) {
    for (const auto& range : ranges_in(path, [](const std::string&) { return true; })) taken.push_back(range);
  }
  for (const auto& line : lines_of("/etc/passwd")) {
    auto fields = split(line, ':');
    if (fields.size() < 7) continue;
    if (auto uid = parse_integer<std::uint32_t>(fields[2])) taken.push_back({*uid, 1});
  }
  return taken;
}

std::optional<std::uint32_t> first_free_range(std::vector<SubordinateRange> taken, std::uint32_t count) {
  constexpr std::uint64_t kFirst = 100000, kEnd = 4294967295;  // (uid_t)-1 is no id
  std::sort(taken.begin(), taken.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::uint64_t candidate = kFirst;
  for (const auto& range : taken) {
    const std::uint64_t end = std::uint64_t{range.first} + range.count;
    if (range.first < candidate + count && end > candidate) candidate = end;
  }
  if (candidate + count > kEnd) return std::nullopt;
  return static_cast<std::uint32_t>(candidate);
}

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
