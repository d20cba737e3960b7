#include "libcommon/archive/layer_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "libcommon/archive/entry_path.h"
#include "libcommon/archive/owners.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/os/xattr.h"

namespace proa::archive {
namespace {

// An empty file or directory takes about a block of the disk, which a few compressed bytes of a layer can ask for.
constexpr std::uint64_t kEntryCost = 4096;
constexpr std::size_t kMaxDirectories = 1'000'000;

// Of the running process, without changing it: other threads create files as well. Linux 4.7.
mode_t current_umask() {
  auto status = os::try_read_file("/proc/self/status", 1 << 16);
  auto line = status ? cut(*status, "\nUmask:") : std::nullopt;
  auto value = line ? parse_integer<unsigned>(trim(line->second.substr(0, line->second.find('\n'))), 8) : std::nullopt;
  return value.value_or(0777);  // unknown: every mode is set explicitly
}

bool is_whiteout(const struct stat& info) { return S_ISCHR(info.st_mode) && info.st_rdev == 0; }

}  // namespace

LayerWriter::LayerWriter(const os::Dir& root, const ApplyOptions& options)
    : root_(root),
      options_(options),
      parents_(root),
      prefix_(normalize_entry_path(options.prefix)),
      umask_(current_umask()),
      own_uid_(::geteuid()),
      own_gid_(::getegid()) {
  if (options_.uids.empty()) options_.uids = os::current_uid_map();
  if (options_.gids.empty()) options_.gids = os::current_gid_map();
  // In a fresh tree no directory hands its group on, since directories get their modes last.
  inherits_group_ = !overlay() || (os::stat(".", root.fd()).st_mode & S_ISGID) != 0;
  if (!prefix_.empty()) parents_.open(prefix_);
}

void LayerWriter::add(TarReader& reader, TarEntry& entry) {
  While adding{[&] { return "archive entry " + escape_control(entry.path.substr(0, 400)); }};
  ++result_.entries;
  account(kEntryCost, 0);
  if (paths_changed_) parents_.clear();
  paths_changed_ = false;
  std::string path = normalize_entry_path(entry.path);
  if (path.empty() && entry.kind != EntryKind::Directory) {
    throw Error(ErrorCode::Corrupt, "the root of an archive must be a directory");
  }
  if (!prefix_.empty()) path = path.empty() ? prefix_ : prefix_ + "/" + path;
  if (options_.whiteouts != WhiteoutStyle::Plain && add_whiteout(path)) return;
  check_owner(entry);
  if (path.empty()) {
    // The root is there and stays what it is.
    if (entry.kind != EntryKind::Directory)
      throw Error(ErrorCode::Corrupt, "the root of an archive must be a directory");
    set_xattrs(root_.fd(), path, entry);
    directories_[path] = {
        entry.mode, static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid), entry.mtime, entry.mtime_ns, false};
    return;
  }
  auto [parent, name] = split_entry_path(path);
  Place place{parents_.open(parent), std::string(name), path};
  switch (entry.kind) {
    case EntryKind::File:
      add_file(place, reader, entry);
      break;
    case EntryKind::Directory:
      add_directory(place, entry);
      break;
    case EntryKind::Symlink:
      add_symlink(place, entry);
      break;
    case EntryKind::HardLink:
      add_hard_link(place, entry);
      break;
    case EntryKind::CharDevice:
    case EntryKind::BlockDevice:
    case EntryKind::Fifo:
      add_special(place, entry);
      break;
  }
}

LayerWriter::Obstacle LayerWriter::clear_way(const Place& place) {
  struct stat info {};
  if (::fstatat(place.parent, place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return Obstacle::None;
    throw system_error("stat " + escape_control(place.path));
  }
  if (S_ISDIR(info.st_mode)) {
    os::remove_tree(place.name, place.parent);
    auto below = place.path + "/";
    directories_.erase(place.path);
    directories_.erase(directories_.lower_bound(below), directories_.lower_bound(place.path + "0"));  // '0' follows '/'
  } else if (::unlinkat(place.parent, place.name.c_str(), 0) != 0) {
    throw system_error("unlink " + escape_control(place.path));
  }
  // Paths through it lead elsewhere now. The cache keeps place.parent open until the next entry.
  paths_changed_ = paths_changed_ || S_ISDIR(info.st_mode) || S_ISLNK(info.st_mode);
  return is_whiteout(info) ? Obstacle::Whiteout : Obstacle::Other;
}

template <typename Make>
LayerWriter::Obstacle LayerWriter::make_new(const Place& place, const char* call, Make make) {
  if (make() == 0) return Obstacle::None;
  int error = errno;
  auto obstacle = Obstacle::None;
  if (error == EEXIST) {
    obstacle = clear_way(place);
    if (make() == 0) return obstacle;
    error = errno;
  }
  throw system_error(std::string(call) + " " + escape_control(place.path), error);
}

int LayerWriter::create_file(const Place& place, mode_t mode) {
  int fd = -1;
  make_new(place, "create", [&] {
    fd = ::openat(place.parent, place.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    return fd < 0 ? -1 : 0;
  });
  return fd;
}

void LayerWriter::add_file(const Place& place, TarReader& reader, const TarEntry& entry) {
  if (entry.sparse) check_room_for(entry);
  os::UniqueFd fd(create_file(place, entry.mode & 0777));
  write_content(fd.get(), place, reader, entry);
  set_file_attributes(fd.get(), place, entry);
  if (options_.whiteouts == WhiteoutStyle::Merge) touch(place.parent, place.name);
}

void LayerWriter::write_content(int fd, const Place& place, TarReader& reader, const TarEntry& entry) {
  if (!entry.sparse) {
    for (auto piece = reader.data(); !piece.empty(); piece = reader.data()) {
      account(piece.size(), piece.size());
      os::write_all(fd, piece, place.path);
    }
    return;
  }
  // What lies between the regions is never written: it stays a hole.
  if (::ftruncate(fd, static_cast<off_t>(entry.size)) != 0)
    throw system_error("truncate " + escape_control(place.path));
  io::Bytes piece;
  for (const auto& region : entry.regions) {
    if (::lseek(fd, static_cast<off_t>(region.offset), SEEK_SET) < 0)
      throw system_error("seek " + escape_control(place.path));
    for (std::uint64_t left = region.size; left != 0;) {
      if (piece.empty()) piece = reader.data();
      auto part = piece.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size())));
      account(part.size(), part.size());
      os::write_all(fd, part, place.path);
      piece = piece.subspan(part.size());
      left -= part.size();
    }
  }
}

void LayerWriter::add_directory(const Place& place, const TarEntry& entry) {
  // Each is remembered until the end, and memory must not grow with what a layer says.
  if (directories_.size() >= kMaxDirectories) {
    throw Error(ErrorCode::LimitExceeded, "a layer with more than " + std::to_string(kMaxDirectories) + " directories");
  }
  // The owner may enter it until finish() gives it its mode; set-group-id waits as well, since it would be inherited.
  const mode_t mode = (entry.mode & 0777) | 0700;
  bool fresh = true;
  bool replaces_whiteout = false;
  if (::mkdirat(place.parent, place.name.c_str(), mode) != 0) {
    if (errno != EEXIST) throw system_error("mkdir " + escape_control(place.path));
    auto info = os::stat(place.name, place.parent);
    if (S_ISDIR(info.st_mode)) {
      auto known = directories_.find(place.path);
      fresh = known != directories_.end() && known->second.fresh && known->second.mode == entry.mode;
    } else {
      replaces_whiteout = make_new(place, "mkdir", [&] { return ::mkdirat(place.parent, place.name.c_str(), mode); }) ==
                          Obstacle::Whiteout;
    }
  }
  directories_[place.path] = {
      entry.mode, static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid), entry.mtime, entry.mtime_ns, fresh};
  if (replaces_whiteout || !entry.xattrs.empty()) {
    auto fd = root_.open_in_root(place.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    // A layer that removes a directory and makes it anew hides the old content, not only the old directory.
    if (replaces_whiteout && overlay()) set_opaque(fd.get(), place.path);
    set_xattrs(fd.get(), place.path, entry);
  }
  if (options_.whiteouts == WhiteoutStyle::Merge) {
    touch(place.parent, place.name);
  }
}

void LayerWriter::add_symlink(const Place& place, const TarEntry& entry) {
  if (entry.link.empty()) throw Error(ErrorCode::Corrupt, "symbolic link without a target");
  auto make = [&] { return ::symlinkat(entry.link.c_str(), place.parent, place.name.c_str()); };
  make_new(place, "symlink", make);
  if (options_.mode != os::IdMode::Single && foreign(entry) &&
      ::fchownat(place.parent, place.name.c_str(), static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid),
                 AT_SYMLINK_NOFOLLOW) != 0) {
    throw system_error("chown " + escape_control(place.path));
  }
  const timespec times[2] = {{0, UTIME_OMIT}, {static_cast<time_t>(entry.mtime), static_cast<long>(entry.mtime_ns)}};
  if (::utimensat(place.parent, place.name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    throw system_error("set the time of " + escape_control(place.path));
  }
  result_.dropped_xattrs += entry.xattrs.size();  // the kernel has no user.* for links
  if (options_.whiteouts == WhiteoutStyle::Merge) touch(place.parent, place.name);
}

// The entry is a second name; owner, mode and time are those of the file it names, whatever this header says.
void LayerWriter::add_hard_link(const Place& place, const TarEntry& entry) {
  std::string target = normalize_entry_path(entry.link);
  if (!prefix_.empty()) target = prefix_ + "/" + target;
  auto [target_parent, target_name] = split_entry_path(target);
  auto missing = [&] {
    return Error(ErrorCode::Corrupt, "hard link to " + escape_control(target) + ", which this layer does not have");
  };
  // Both directories are needed at once: the cache promises only one.
  auto directory =
      root_.try_open_in_root(target_parent.empty() ? "." : std::string(target_parent), O_PATH | O_DIRECTORY);
  if (!directory || target_name.empty()) throw missing();
  std::string name(target_name);
  auto info = os::try_stat(name, directory->get());
  if (!info || S_ISDIR(info->st_mode) || is_whiteout(*info)) throw missing();
  auto present = os::try_stat(place.name, place.parent);
  if (present && present->st_dev == info->st_dev && present->st_ino == info->st_ino) return;
  make_new(place, "link",
           [&] { return ::linkat(directory->get(), name.c_str(), place.parent, place.name.c_str(), 0); });
  if (options_.whiteouts == WhiteoutStyle::Merge) touch(place.parent, place.name);
}

void LayerWriter::add_special(const Place& place, const TarEntry& entry) {
  const bool device = entry.kind != EntryKind::Fifo;
  if (entry.kind == EntryKind::CharDevice && entry.dev_major == 0 && entry.dev_minor == 0) {
    // It would remove a file of a lower layer behind everybody's back.
    ++result_.dropped_devices;
    return;
  }
  if (device && options_.mode != os::IdMode::Root) return add_device_record(place, entry);
  const mode_t type = !device ? S_IFIFO : entry.kind == EntryKind::CharDevice ? S_IFCHR : S_IFBLK;
  const dev_t number = device ? makedev(entry.dev_major, entry.dev_minor) : 0;
  make_new(place, "mknod",
           [&] { return ::mknodat(place.parent, place.name.c_str(), type | (entry.mode & 0777), number); });
  os::UniqueFd fd(::openat(place.parent, place.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) throw system_error("open " + escape_control(place.path));
  set_special_attributes(fd.get(), place, entry);
  if (options_.whiteouts == WhiteoutStyle::Merge) touch(place.parent, place.name);
}

// No user namespace may make devices (mknod(2)); what the image has is remembered for the one who pushes it again.
void LayerWriter::add_device_record(const Place& place, const TarEntry& entry) {
  os::UniqueFd fd(create_file(place, 0600));
  os::set_xattr(fd.get(), kDeviceXattr, encode_device({entry.kind, entry.dev_major, entry.dev_minor}),
                escape_control(place.path));
  set_file_attributes(fd.get(), place, entry);
  if (options_.whiteouts == WhiteoutStyle::Merge) touch(place.parent, place.name);
}

}  // namespace proa::archive
