#include "tools/run/monitor/prepared_mounts.h"

#include <fmt/core.h>
#include <sys/mount.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/oci/digest.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/mount.h"
#include "libcommon/store/store.h"

namespace proa::monitor {
namespace {

constexpr int kMaxDepth = 200;

void give_level_away(int folder, uid_t uid, gid_t gid, int depth) {
  if (depth > kMaxDepth) throw Error(ErrorCode::LimitExceeded, "directories are nested too deeply");
  for (const auto& name : os::list_dir(folder, "a mount with the option U")) {
    const struct stat info = os::stat(name, folder);
    if (::fchownat(folder, name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) < 0) throw system_error("chown " + name);
    if (!S_ISDIR(info.st_mode)) continue;
    const auto below = os::open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, folder);
    give_level_away(below.get(), uid, gid, depth + 1);
  }
}

}  // namespace

void give_tree_away(const os::Path& path, uid_t uid, gid_t gid) {
  const While giving{[&] { return fmt::format("giving {} to {}:{}", path, uid, gid); }};
  const auto top = os::open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (::fchown(top.get(), uid, gid) < 0) throw system_error("chown " + path);
  if (S_ISDIR(os::stat(os::fd_path(top.get()), AT_FDCWD, 0).st_mode)) give_level_away(top.get(), uid, gid, 0);
}

PreparedMounts::PreparedMounts(const MonitorPlan& plan, const os::UserNamespacePlan& ids) : plan_(plan), ids_(ids) {
  const auto& list = plan.record.prepared;
  if (list.empty()) return;
  os::make_dirs(plan.container.file("mounts"));
  try {
    for (std::size_t i = 0; i < list.size(); ++i) make(list[i], i);
  } catch (...) {
    detach_all();
    throw;
  }
}

PreparedMounts::~PreparedMounts() { detach_all(); }

void PreparedMounts::detach_all() noexcept {
  for (; !attached_.empty(); attached_.pop_back()) ::umount2(attached_.back().c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

void PreparedMounts::attach(os::UniqueFd mount, const os::Path& place, bool folder) {
  os::remove_tree(place);
  if (folder) {
    os::make_dirs(place);
  } else {
    os::open(place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  }
  os::attach_mount(mount.get(), os::open(place, O_PATH | O_CLOEXEC).get(), place);
  attached_.push_back(place);
}

// The part is looked up inside of the tree: links in it cannot lead out.
void PreparedMounts::attach_part(const os::Path& root, const std::string& subpath, const os::Path& place) {
  const While mounting{[&] { return fmt::format("mounting the subpath {}", subpath); }};
  const auto part = os::Dir::open(root).open_in_root(subpath, O_PATH);
  const bool folder = S_ISDIR(os::stat("", part.get(), AT_EMPTY_PATH).st_mode);
  attach(os::clone_mount_fd(part.get(), true, subpath), place, folder);
}

os::UniqueFd PreparedMounts::overlay(std::vector<os::Path> lowers, const engine::PreparedMount& mount,
                                     const os::Path& place, std::size_t position) const {
  os::OverlayPlan overlay;
  overlay.lowers = std::move(lowers);
  overlay.user_xattr = ids_.mode != os::IdMode::Root;
  overlay.upper = mount.upper;
  overlay.work = mount.work;
  if (mount.writable && mount.upper.empty()) {
    const os::Path scratch = plan_.container.file(fmt::format("overlays/{}", position));
    os::remove_tree(scratch);
    overlay.upper = os::join(scratch, "upper");
    overlay.work = os::join(scratch, "work");
    os::make_dirs(overlay.upper, 0755);
    os::make_dirs(overlay.work);
    overlay.no_sync = true;
    // The root of the overlay is the upper folder: it has to look as the lower one does.
    const struct stat like = os::stat(overlay.lowers.front(), AT_FDCWD, 0);
    if (::chown(overlay.upper.c_str(), like.st_uid, like.st_gid) < 0 && errno != EINVAL && errno != EPERM) {
      throw system_error("chown " + overlay.upper);
    }
    if (::chmod(overlay.upper.c_str(), like.st_mode & 07777) < 0) throw system_error("chmod " + overlay.upper);
  }
  if (overlay.upper.empty() && overlay.lowers.size() == 1) return os::clone_mount(overlay.lowers.front(), false);
  os::make_dirs(place);
  return os::mount_overlay_any(overlay, place);
}

void PreparedMounts::make(const engine::PreparedMount& mount, std::size_t position) {
  const os::Path place = plan_.container.file(fmt::format("mounts/{}", position));
  if (mount.kind == "path") return attach_part(mount.source, mount.subpath, place);
  const While mounting{[&] { return fmt::format("mounting {} over {}", mount.kind, mount.source); }};
  std::vector<os::Path> lowers{mount.source};
  if (mount.kind == "image") {
    const auto store = store::Store::open(plan_.containers.paths().data, store::Store::Create::No);
    lowers = store.overlay_lowers(oci::ChainId(oci::Digest::parse(mount.source)));
  }
  if (mount.subpath.empty()) return attach(overlay(std::move(lowers), mount, place, position), place, true);
  const os::Path whole = place + ".whole";
  attach(overlay(std::move(lowers), mount, whole, position), whole, true);
  attach_part(whole, mount.subpath, place);
}

}  // namespace proa::monitor
