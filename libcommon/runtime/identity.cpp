#include "libcommon/runtime/identity.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::runtime {
namespace {

constexpr std::uint64_t kMaxFile = 1u << 20;
constexpr std::size_t kMaxLine = 64u << 10;

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// 2^32-1 is "leave as it is" to setresuid(2) and chown(2), hence no id (CVE-2024-40635 was about numbers beyond).
std::uint32_t parse_id(std::string_view text) {
  auto number = parse_integer<std::uint32_t>(text);
  if (!number || *number == std::numeric_limits<std::uint32_t>::max()) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("id {} is not from 0 to 4294967294", escape_control(text)));
  }
  return *number;
}

// The fields of each line, of files that an image brings: over-long lines and such without enough fields are passed
// over.
template <typename Visit>
void each_entry(std::string_view text, std::size_t fields, Visit visit) {
  while (!text.empty()) {
    auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.size() > kMaxLine || line.empty() || line.front() == '#') continue;
    auto parts = split(line, ':');
    if (parts.size() >= fields && visit(parts)) return;
  }
}

std::optional<std::uint32_t> field_id(const std::string& text) {
  auto number = parse_integer<std::uint32_t>(text);
  if (number && *number == std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return number;
}

struct PasswdEntry {
  std::string name, home;
  std::uint32_t uid, gid;
};

template <typename Match>
std::optional<PasswdEntry> find_user(std::string_view passwd, Match match) {
  std::optional<PasswdEntry> found;
  each_entry(passwd, 6, [&](const auto& parts) {
    auto uid = field_id(parts[2]), gid = field_id(parts[3]);
    if (!uid || !gid) return false;
    PasswdEntry entry{parts[0], parts[5], *uid, *gid};
    if (!match(entry)) return false;
    found = std::move(entry);
    return true;
  });
  return found;
}

std::uint32_t find_group(std::string_view group_file, std::string_view name) {
  std::optional<std::uint32_t> found;
  each_entry(group_file, 3, [&](const auto& parts) {
    if (parts[0] == name) found = field_id(parts[2]);
    return found.has_value();
  });
  if (!found) {
    throw Error(ErrorCode::NotFound, fmt::format("group {} is not in /etc/group of the image", escape_control(name)));
  }
  return *found;
}

std::vector<std::uint32_t> groups_of(std::string_view group_file, const std::string& user) {
  std::vector<std::uint32_t> groups;
  each_entry(group_file, 4, [&](const auto& parts) {
    auto members = split(parts[3], ',');
    auto gid = field_id(parts[2]);
    if (gid && std::find(members.begin(), members.end(), user) != members.end()) groups.push_back(*gid);
    return false;
  });
  return groups;
}

void add_group(std::vector<std::uint32_t>& groups, std::uint32_t group) {
  if (std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
}

std::string read_small(const os::Dir& root, const std::string& path) {
  // Never blocks on a FIFO or reads a device (CVE-2024-9676); a link may lead elsewhere inside the root.
  auto fd = root.try_open_in_root(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) return {};
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0) throw system_error("stat " + path);
  if (!S_ISREG(info.st_mode)) throw Error(ErrorCode::InvalidArgument, path + " of the image is not a regular file");
  if (static_cast<std::uint64_t>(info.st_size) > kMaxFile) {
    throw Error(ErrorCode::LimitExceeded, path + " of the image is larger than 1 MiB");
  }
  return os::read_fd(fd->get(), kMaxFile, path);
}

}  // namespace

Identity resolve_identity(std::string_view user, const std::vector<std::string>& group_add, std::string_view passwd,
                          std::string_view group) {
  While resolving{[&] { return fmt::format("user {}", escape_control(user)); }};
  auto parts = cut(user, ":");
  std::string_view name = parts ? parts->first : user;
  std::string_view group_name = parts ? parts->second : std::string_view();
  Identity identity;
  std::optional<PasswdEntry> entry;
  if (name.empty() || all_digits(name)) {
    identity.uid = name.empty() ? 0 : parse_id(name);
    entry = find_user(passwd, [&](const auto& candidate) { return candidate.uid == identity.uid; });
  } else {
    entry = find_user(passwd, [&](const auto& candidate) { return candidate.name == name; });
    if (!entry) throw Error(ErrorCode::NotFound, "no such user in /etc/passwd of the image");
    identity.uid = entry->uid;
  }
  if (entry) {
    identity.gid = entry->gid;
    identity.name = entry->name;
    if (entry->home.starts_with('/')) identity.home = entry->home;
  }
  if (!group_name.empty()) {
    identity.gid = all_digits(group_name) ? parse_id(group_name) : find_group(group, group_name);
  }
  add_group(identity.groups, identity.gid);
  // With a group of its own choice a user gets no others, as docker and podman do it.
  if (entry && group_name.empty()) {
    for (auto gid : groups_of(group, entry->name)) add_group(identity.groups, gid);
  }
  for (const auto& extra : group_add) {
    add_group(identity.groups, all_digits(extra) ? parse_id(extra) : find_group(group, extra));
  }
  return identity;
}

Identity resolve_identity(std::string_view user, const std::vector<std::string>& group_add, const os::Dir& root) {
  return resolve_identity(user, group_add, read_small(root, "/etc/passwd"), read_small(root, "/etc/group"));
}

}  // namespace proa::runtime
