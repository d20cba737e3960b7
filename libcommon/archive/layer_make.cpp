#include "libcommon/archive/layer_make.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include "libcommon/archive/entry_path.h"
#include "libcommon/archive/owners.h"
#include "libcommon/archive/tar_writer.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/xattr.h"

namespace proa::archive {
namespace {

// Smaller holes are not worth a form that some readers do not know, and would make the bytes depend on the file system.
constexpr std::uint64_t kWorthwhileHole = 16u << 20;
// Beyond, the map would pass the ceiling of readers (ours: 1 MiB).
constexpr std::size_t kMaxRegions = 20'000;
// Descriptors of directories held on the way down; deeper ones are opened again on the way back.
constexpr std::size_t kOpenLevels = 100;

struct Level {
  std::string path;  // "" for the root
  std::vector<std::string> names;
  std::size_t next = 0;
  os::UniqueFd fd;
};

// What the extended attributes of a file say.
struct Attributes {
  std::vector<std::pair<std::string, std::string>> kept;
  std::optional<Owner> owner;
  std::optional<Device> device;
  bool opaque = false, whiteout = false;
};

std::vector<std::string> attribute_names(int fd, const std::string& path) {
  std::array<char, 1024> small;
  ssize_t size = ::flistxattr(fd, small.data(), small.size());
  if (size == 0 || (size < 0 && errno == EOPNOTSUPP)) return {};
  if (size < 0 && errno == ERANGE) return os::list_xattrs(fd);
  if (size < 0) throw system_error("listxattr " + escape_control(path));
  auto names = split(std::string_view(small.data(), static_cast<std::size_t>(size) - 1), '\0');
  std::sort(names.begin(), names.end());
  return names;
}

class LayerMaker {
 public:
  LayerMaker(const os::Dir& tree, io::Sink& tar, const MakeOptions& options)
      : tree_(tree), tar_(tar), options_(options) {}

  MakeResult run() {
    add_root();
    push("");
    while (!levels_.empty()) {
      auto& level = levels_.back();
      if (level.next == level.names.size()) {
        levels_.pop_back();
        continue;
      }
      std::string name = std::move(level.names[level.next++]);
      add(level, name);
    }
    tar_.finish();
    return result_;
  }

 private:
  bool overlay() const {
    return options_.whiteouts == WhiteoutStyle::OverlayUser || options_.whiteouts == WhiteoutStyle::OverlayTrusted;
  }

  void push(const std::string& path) {
    Level level;
    level.path = path;
    level.fd = open_directory(path);
    if (path.empty() && options_.only) {
      level.names = {*options_.only};
    } else {
      level.names = os::list_dir(level.fd.get(), path);
    }
    levels_.push_back(std::move(level));
    if (levels_.size() > kOpenLevels) levels_[levels_.size() - 2].fd.reset();
  }

  os::UniqueFd open_directory(const std::string& path) const {
    return tree_.open_in_root(path.empty() ? "." : path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }

  void add_root() {
    auto fd = open_directory("");
    auto attributes = read_attributes(fd.get(), "");
    if (options_.root_entry) {
      auto entry = describe(os::stat(".", fd.get()), "", attributes);
      entry.kind = EntryKind::Directory;
      emit(entry);
    }
    if (attributes.opaque) add_marker(".wh..wh..opq");
  }

  void add(Level& level, const std::string& name) {
    std::string path = level.path.empty() ? name : level.path + "/" + name;
    if (path.size() > kMaxPath) {
      throw Error(ErrorCode::LimitExceeded,
                  "a path of more than 4095 bytes: " + escape_control(path.substr(0, 200)) + "...");
    }
    While adding{[&] { return "layer entry " + escape_control(path); }};
    if (!level.fd.valid()) level.fd = open_directory(level.path);
    const int at = level.fd.get();
    const auto info = os::stat(name, at);
    if (overlay() && S_ISCHR(info.st_mode) && info.st_rdev == 0) return add_whiteout(level.path, name);
    if (overlay() && name.starts_with(".wh.")) {
      throw Error(ErrorCode::Unsupported, "names that begin with '.wh.' mean removals in a layer", "rename the file");
    }
    switch (info.st_mode & S_IFMT) {
      case S_IFREG:
        return add_file(at, name, path, level.path, info);
      case S_IFDIR:
        return add_directory(at, name, path, info);
      case S_IFLNK:
        return add_symlink(at, name, path, info);
      case S_IFIFO:
        return add_special(path, info, EntryKind::Fifo);
      case S_IFCHR:
        return add_special(path, info, EntryKind::CharDevice);
      case S_IFBLK:
        return add_special(path, info, EntryKind::BlockDevice);
      default:
        ++result_.skipped_sockets;
    }
  }

  std::string name_in_archive(const std::string& path) const {
    if (path.empty()) return options_.prefix.empty() ? "." : options_.prefix;
    return options_.prefix.empty() ? path : options_.prefix + "/" + path;
  }

  TarEntry describe(const struct stat& info, const std::string& path, const Attributes& attributes) const {
    TarEntry entry;
    entry.path = name_in_archive(path);
    entry.mode = info.st_mode & 07777u;
    entry.uid = info.st_uid;
    entry.gid = info.st_gid;
    // Somebody who has all ids may have changed the owner since the record was made.
    if (attributes.owner && info.st_uid == 0 && info.st_gid == 0) {
      entry.uid = attributes.owner->uid;
      entry.gid = attributes.owner->gid;
    }
    entry.mtime = info.st_mtim.tv_sec;
    if (options_.clamp_mtime) entry.mtime = std::min(entry.mtime, *options_.clamp_mtime);
    entry.xattrs = attributes.kept;
    return entry;
  }

  void emit(const TarEntry& entry) {
    ++result_.entries;
    tar_.begin(entry);
    tar_.end();
  }

  void add_marker(const std::string& path) {
    TarEntry entry;
    entry.path = name_in_archive(path);
    emit(entry);
  }

  void add_whiteout(const std::string& directory, const std::string& name) {
    add_marker((directory.empty() ? "" : directory + "/") + ".wh." + name);
  }

  Attributes read_attributes(int fd, const std::string& path) const {
    Attributes found;
    for (const auto& name : attribute_names(fd, path)) {
      if (is_layer_xattr(name)) {
        auto value = os::get_xattr(fd, name);
        if (value && name == "security.capability") value = portable_capability(*value);
        if (value) found.kept.emplace_back(name, std::move(*value));
      } else if (name == kOwnerXattr) {
        found.owner = decode_owner(os::get_xattr(fd, name).value_or(""));
      } else if (name == kDeviceXattr) {
        found.device = decode_device(os::get_xattr(fd, name).value_or(""));
      } else if (overlay()) {
        read_overlay_attribute(fd, name, found);
      }
    }
    return found;
  }

  // Kernel documentation, overlayfs: "Whiteouts and opaque directories", "redirect_dir", "Metadata only copy up".
  void read_overlay_attribute(int fd, const std::string& name, Attributes& found) const {
    const std::string_view prefix =
        options_.whiteouts == WhiteoutStyle::OverlayUser ? "user.overlay." : "trusted.overlay.";
    if (!name.starts_with(prefix)) return;
    auto what = std::string_view(name).substr(prefix.size());
    if (what == "opaque") found.opaque = os::get_xattr(fd, name) == "y";
    if (what == "whiteout") found.whiteout = true;  // an empty file instead of a device, Linux 6.7
    if (what != "redirect" && what != "metacopy") return;
    throw Error(ErrorCode::Unsupported,
                "the overlay was mounted with " + std::string(what) + ", which no layer can hold",
                "mount it with redirect_dir=off,metacopy=off");
  }

  void add_file(int at, const std::string& name, const std::string& path, const std::string& directory,
                const struct stat& info) {
    auto fd = os::open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, at);
    auto attributes = read_attributes(fd.get(), path);
    if (attributes.whiteout && info.st_size == 0) return add_whiteout(directory, name);
    auto entry = describe(info, path, attributes);
    if (link_to_earlier(entry, info)) return emit(entry);
    if (attributes.device) {
      entry.kind = attributes.device->kind;
      entry.dev_major = attributes.device->major;
      entry.dev_minor = attributes.device->minor;
      return emit(entry);
    }
    entry.size = entry.stored_size = static_cast<std::uint64_t>(info.st_size);
    find_regions(fd.get(), info, entry);
    ++result_.entries;
    result_.bytes += entry.size;
    tar_.begin(entry);
    if (entry.sparse) {
      for (const auto& region : entry.regions) copy_data(fd.get(), path, region.offset, region.size);
    } else {
      copy_data(fd.get(), path, 0, entry.size);
    }
    tar_.end();
  }

  // A further name of a file that is in the layer already.
  bool link_to_earlier(TarEntry& entry, const struct stat& info) {
    if (info.st_nlink < 2) return false;
    auto [known, first] = links_.try_emplace({info.st_dev, info.st_ino}, entry.path);
    if (first) return false;
    entry.kind = EntryKind::HardLink;
    entry.link = known->second;
    entry.xattrs.clear();
    return true;
  }

  static void find_regions(int fd, const struct stat& info, TarEntry& entry) {
    const auto allocated = static_cast<std::uint64_t>(info.st_blocks) * 512;
    if (allocated + kWorthwhileHole > entry.size) return;
    std::vector<SparseRegion> regions;
    std::uint64_t total = 0;
    for (off_t at = 0; (at = ::lseek(fd, at, SEEK_DATA)) >= 0 && at < info.st_size;) {
      off_t end = std::min(::lseek(fd, at, SEEK_HOLE), static_cast<off_t>(info.st_size));
      if (end <= at || regions.size() >= kMaxRegions) return;
      regions.push_back({static_cast<std::uint64_t>(at), static_cast<std::uint64_t>(end - at)});
      total += regions.back().size;
      at = end;
    }
    // GNU tar learns the size of the file from a last region without data.
    regions.push_back({entry.size, 0});
    entry.sparse = true;
    entry.stored_size = total;
    entry.regions = std::move(regions);
  }

  void copy_data(int fd, const std::string& path, std::uint64_t offset, std::uint64_t size) {
    for (std::uint64_t done = 0; done < size;) {
      auto want = static_cast<std::size_t>(std::min<std::uint64_t>(size - done, buffer_.size()));
      ssize_t got = ::pread(fd, buffer_.data(), want, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw system_error("read " + escape_control(path));
      if (got == 0) throw Error(ErrorCode::Io, "the file became shorter while it was read");
      tar_.write(io::Bytes(buffer_.data(), static_cast<std::size_t>(got)));
      done += static_cast<std::uint64_t>(got);
    }
  }

  void add_directory(int at, const std::string& name, const std::string& path, const struct stat& info) {
    auto fd = os::open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, at);
    auto attributes = read_attributes(fd.get(), path);
    auto entry = describe(info, path, attributes);
    entry.kind = EntryKind::Directory;
    emit(entry);
    // Before the rest, for readers that empty the directory when they meet the mark.
    if (attributes.opaque) add_marker(path + "/.wh..wh..opq");
    push(path);
  }

  void add_symlink(int at, const std::string& name, const std::string& path, const struct stat& info) {
    auto entry = describe(info, path, {});
    entry.kind = EntryKind::Symlink;
    entry.link = os::read_link(name, at);
    link_to_earlier(entry, info);
    emit(entry);
  }

  void add_special(const std::string& path, const struct stat& info, EntryKind kind) {
    auto entry = describe(info, path, {});
    entry.kind = kind;
    if (kind != EntryKind::Fifo) {
      entry.dev_major = major(info.st_rdev);
      entry.dev_minor = minor(info.st_rdev);
    }
    link_to_earlier(entry, info);
    emit(entry);
  }

  const os::Dir& tree_;
  TarWriter tar_;
  const MakeOptions& options_;
  MakeResult result_;
  std::vector<Level> levels_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(io::kBufferSize);
};

}  // namespace

MakeResult make_layer(const os::Dir& tree, io::Sink& tar, const MakeOptions& options) {
  return LayerMaker(tree, tar, options).run();
}

}  // namespace proa::archive
