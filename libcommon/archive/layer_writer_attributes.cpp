#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "libcommon/archive/entry_path.h"
#include "libcommon/archive/layer_writer.h"
#include "libcommon/archive/owners.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/os/xattr.h"

namespace proa::archive {
namespace {

constexpr std::uint64_t kNoId = 0xffffffff;  // (uid_t)-1: "leave as it is" for chown
constexpr std::uint64_t kAccountStep = 16u << 20;
constexpr std::uint64_t kInodeReserve = 10'000;  // more than are used between two looks

struct statvfs space_of(const os::Dir& root) {
  struct statvfs space {};
  if (::fstatvfs(root.fd(), &space) != 0) throw system_error("statvfs " + root.name());
  return space;
}

std::uint64_t free_bytes(const struct statvfs& space) { return std::uint64_t{space.f_bavail} * space.f_frsize; }

std::string ranges(const os::IdMap& map) {
  std::vector<std::string> parts;
  for (const auto& entry : map) {
    parts.push_back(std::to_string(entry.inside) + ".." +
                    std::to_string(std::uint64_t{entry.inside} + entry.count - 1));
  }
  return join(parts, ", ");
}

void check_id(std::uint64_t id, const char* what, const os::IdMap& map, const char* file) {
  if (id == kNoId)
    throw Error(ErrorCode::Corrupt, std::string("the owner has the ") + what + " 4294967295, which is none");
  if (id < kNoId && os::id_to_outside(map, static_cast<std::uint32_t>(id))) return;
  throw Error(
      ErrorCode::Unsupported,
      std::string("the owner has the ") + what + " " + std::to_string(id) + ", but only " + ranges(map) + " are mapped",
      std::string("grant yourself more ids in ") + file + " (usermod --add-subuids and --add-subgids)");
}

timespec time_of(std::int64_t seconds, std::uint32_t nanos) {
  return {static_cast<time_t>(seconds), static_cast<long>(nanos)};
}

}  // namespace

void LayerWriter::check_owner(const TarEntry& entry) {
  if (checked_ids_ && entry.uid == known_uid_ && entry.gid == known_gid_) return;
  if (options_.mode == os::IdMode::Single) {
    // Only written down, so every id that exists will do.
    if (entry.uid >= kNoId || entry.gid >= kNoId) {
      throw Error(ErrorCode::Corrupt, "the owner " + std::to_string(entry.uid) + ":" + std::to_string(entry.gid) +
                                          " is beyond all user ids");
    }
  } else {
    check_id(entry.uid, "uid", options_.uids, "/etc/subuid");
    check_id(entry.gid, "gid", options_.gids, "/etc/subgid");
  }
  known_uid_ = entry.uid;
  known_gid_ = entry.gid;
  checked_ids_ = true;
}

void LayerWriter::record_owner(int fd, std::string_view path, std::uint32_t uid, std::uint32_t gid) {
  os::set_xattr(fd, kOwnerXattr, encode_owner({uid, gid}), escape_control(path));
}

void LayerWriter::set_owner(int fd, const Place& place, const TarEntry& entry) {
  const auto uid = static_cast<uid_t>(entry.uid);
  const auto gid = static_cast<gid_t>(entry.gid);
  if (options_.mode == os::IdMode::Single) {
    if (uid != 0 || gid != 0) record_owner(fd, place.path, uid, gid);
  } else if (foreign(entry) && ::fchown(fd, uid, gid) != 0) {
    throw system_error("chown " + escape_control(place.path));
  }
}

// In this order: chown takes set-id bits and capabilities away.
void LayerWriter::set_file_attributes(int fd, const Place& place, const TarEntry& entry) {
  set_owner(fd, place, entry);
  const bool device = entry.kind != EntryKind::File;
  const mode_t made = device ? 0600 : (entry.mode & 0777);
  // A recorded device keeps its mode: the record is no secret, and mode 0 would lose it.
  if (entry.mode != (made & ~umask_) && ::fchmod(fd, entry.mode) != 0) {
    throw system_error("chmod " + escape_control(place.path));
  }
  if (!entry.xattrs.empty()) set_xattrs(fd, place.path, entry);
  const timespec times[2] = {{0, UTIME_OMIT}, time_of(entry.mtime, entry.mtime_ns)};
  if (::futimens(fd, times) != 0) throw system_error("set the time of " + escape_control(place.path));
}

// FIFOs and devices, which must not be opened: an O_PATH descriptor, and /proc/self/fd where no call takes one.
void LayerWriter::set_special_attributes(int fd, const Place& place, const TarEntry& entry) {
  if (options_.mode != os::IdMode::Single && foreign(entry) &&
      ::fchownat(fd, "", static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid), AT_EMPTY_PATH) != 0) {
    throw system_error("chown " + escape_control(place.path));
  }
  if (entry.mode != (entry.mode & 0777 & ~umask_) && ::chmod(os::fd_path(fd).c_str(), entry.mode) != 0) {
    throw system_error("chmod " + escape_control(place.path));
  }
  result_.dropped_xattrs += entry.xattrs.size();
  const timespec times[2] = {{0, UTIME_OMIT}, time_of(entry.mtime, entry.mtime_ns)};
  if (::utimensat(place.parent, place.name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    throw system_error("set the time of " + escape_control(place.path));
  }
}

void LayerWriter::set_xattrs(int fd, std::string_view path, const TarEntry& entry) {
  for (const auto& [name, value] : entry.xattrs) {
    if (!is_layer_xattr(name)) {
      ++result_.dropped_xattrs;
      continue;
    }
    if (name != "security.capability") {
      os::set_xattr(fd, name, value, escape_control(path));
      continue;
    }
    // The kernel turns revision 2 into revision 3 with our root id when we are in a user namespace (Linux 4.14).
    auto portable = portable_capability(value);
    if (!portable) throw Error(ErrorCode::Corrupt, "malformed security.capability");
    os::set_xattr(fd, name, *portable, escape_control(path));
  }
}

void LayerWriter::set_directory_attributes(int parent, const std::string& name, const std::string& path,
                                           const DirAttributes& wanted) {
  const bool foreign_owner = wanted.uid != own_uid_ || wanted.gid != own_gid_;
  const bool single = options_.mode == os::IdMode::Single;
  const bool set_mode = !wanted.fresh || wanted.mode != (((wanted.mode & 0777) | 0700) & ~umask_);
  const bool set_owner = single ? (wanted.uid != 0 || wanted.gid != 0 || !wanted.fresh)
                                : (foreign_owner || !wanted.fresh || inherits_group_);
  const timespec times[2] = {{0, UTIME_OMIT}, time_of(wanted.mtime, wanted.mtime_ns)};
  if (set_mode || set_owner) {
    auto fd = os::try_open(name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, parent);
    if (!fd) return;  // replaced by another entry
    if (set_owner && !single && ::fchownat(fd->get(), "", wanted.uid, wanted.gid, AT_EMPTY_PATH) != 0) {
      throw system_error("chown " + escape_control(path));
    }
    if (set_owner && single) {
      if (wanted.uid != 0 || wanted.gid != 0) {
        record_owner(fd->get(), path, wanted.uid, wanted.gid);
      } else {
        (void)::removexattr(os::fd_path(fd->get()).c_str(), kOwnerXattr);  // of an earlier entry; usually there is none
      }
    }
    if (set_mode && ::chmod(os::fd_path(fd->get()).c_str(), wanted.mode) != 0) {
      throw system_error("chmod " + escape_control(path));
    }
  }
  // Gone: another entry replaced it under another path, through a link.
  if (::utimensat(parent, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0 && errno != ENOENT) {
    throw system_error("set the time of " + escape_control(path));
  }
}

ApplyResult LayerWriter::finish() {
  // Children before their parents, so that a parent that may not be entered is no obstacle.
  for (auto directory = directories_.rbegin(); directory != directories_.rend(); ++directory) {
    const auto& [path, wanted] = *directory;
    if (path.empty()) {
      set_directory_attributes(root_.fd(), ".", path, wanted);
      continue;
    }
    auto [parent, name] = split_entry_path(path);
    int fd = parents_.find(parent);
    if (fd >= 0) set_directory_attributes(fd, std::string(name), path, wanted);
  }
  return result_;
}

void LayerWriter::account(std::uint64_t cost, std::uint64_t content) {
  result_.bytes += content;
  unaccounted_ += cost;
  if (unaccounted_ < kAccountStep) return;
  unaccounted_ = 0;
  const auto space = space_of(root_);
  // File systems that make inodes as they need them (btrfs) say that they have none.
  const bool no_inodes = space.f_files != 0 && space.f_favail < kInodeReserve;
  if (free_bytes(space) >= options_.free_space_reserve && !no_inodes) return;
  throw Error(ErrorCode::NoSpace,
              no_inodes ? "hardly any inodes are left on the disk"
                        : "less than " + std::to_string(options_.free_space_reserve) + " bytes are left on the disk",
              "remove what is not needed: proa image prune");
}

// A header of 1 kB may claim a file of 8 EiB. Its holes cost nothing, until somebody copies it.
void LayerWriter::check_room_for(const TarEntry& entry) const {
  if (entry.size <= free_bytes(space_of(root_))) return;
  throw Error(ErrorCode::LimitExceeded,
              "a sparse file of " + std::to_string(entry.size) + " bytes is larger than the free space of the disk");
}

}  // namespace proa::archive
