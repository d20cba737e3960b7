#include "tools/run/engine/root_view.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sched.h>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/os/mount.h"
#include "libcommon/os/namespaces.h"
#include "libcommon/os/pidfd.h"
#include "libcommon/os/process.h"
#include "libcommon/os/socket.h"
#include "tools/run/engine/image.h"
#include "tools/run/engine/user_namespace.h"

namespace proa::engine {
namespace {

// The root mount alone, from inside of the container's mount namespace: a copy can be made only there. A child goes,
// since what it sees of /proc there is not ours.
os::UniqueFd clone_root_of(pid_t pid) {
  const os::UniqueFd process = os::pidfd_open(pid);
  auto [ours, theirs] = os::socket_pair();
  auto child = os::fork_process([&, &socket = theirs] {
    os::join_namespaces(process.get(), CLONE_NEWNS, "the container");
    const os::UniqueFd root = os::clone_mount("/", false);
    const int descriptors[] = {root.get()};
    os::send_message(socket.get(), "root", descriptors);
    return 0;
  });
  theirs.reset();
  auto message = os::receive_message(ours.get());
  child.wait();
  if (!message || message->descriptors.empty()) {
    throw Error(ErrorCode::Io, "cannot reach the container's root file system");
  }
  return std::move(message->descriptors.front());
}

void attach_volumes(const ContainerRecord& record, const os::Path& rootfs) {
  const os::Dir root = os::Dir::open(rootfs);
  for (const auto& mount : record.mounts) {
    if ((mount.type != "bind" && mount.type != "volume") || !os::exists(mount.source)) continue;
    auto target = root.try_open_in_root(mount.destination, O_PATH);
    // One that never ran has no mount points yet.
    const bool folder = S_ISDIR(os::stat(mount.source, AT_FDCWD, 0).st_mode);
    if (!target && folder) target = root.make_dirs_in_root(mount.destination);
    if (!target) continue;
    const os::UniqueFd copy = os::clone_mount(mount.source, true);
    if (mount.read_only) os::set_mount_attributes(copy.get(), MOUNT_ATTR_RDONLY, 0, 0, true, mount.source);
    os::attach_mount(copy.get(), target->get(), mount.destination);
  }
}

}  // namespace

os::UniqueFd mount_layers(const Container& container, const std::vector<os::Path>& lowers,
                          const os::UserNamespacePlan& ids, bool volatile_layer) {
  const While mounting{"mounting the container's root"};
  if (lowers.empty()) return os::clone_mount(container.file("upper"), false);
  os::OverlayPlan overlay;
  overlay.lowers = lowers;
  overlay.upper = container.file("upper");
  overlay.work = container.file("work");
  overlay.user_xattr = ids.mode != os::IdMode::Root;
  overlay.no_sync = volatile_layer;
  return os::mount_overlay_any(overlay, container.file("bundle/rootfs"));
}

os::UserNamespacePlan enter_for(const Containers& containers, const std::vector<const Container*>& wanted) {
  for (const auto* container : wanted) {
    const Snapshot snapshot = look_at(*container);
    if (snapshot.running()) return enter_shared_user_namespace(containers.paths(), snapshot.state->monitor_pid);
  }
  return enter_shared_user_namespace(containers.paths(), 0);
}

RootView::RootView(const Containers& containers, const Container& container, const os::UserNamespacePlan& ids,
                   Mounts mounts) {
  const Snapshot snapshot = look_at(container);
  if (snapshot.status == Status::Damaged) throw Error(ErrorCode::Corrupt, snapshot.problem, "remove it: `proa rm -f`");
  if (snapshot.running()) {
    open_running(snapshot, mounts);
  } else {
    open_stopped(containers, container, snapshot, ids, mounts);
  }
}

void RootView::open_running(const Snapshot& snapshot, Mounts mounts) {
  const pid_t pid = snapshot.state->pid;
  if (mounts == Mounts::With) {
    root_ = os::Dir::open(fmt::format("/proc/{}/root", pid));
  } else {
    root_ = os::Dir(clone_root_of(pid), "/");
  }
  // The number may have become another process's before it was opened.
  if (os::process_start_time(pid) != snapshot.state->start_time) {
    throw Error(ErrorCode::InUse, fmt::format("container {} ended just now", snapshot.record.name), "try again");
  }
}

void RootView::open_stopped(const Containers& containers, const Container& container, const Snapshot& snapshot,
                            const os::UserNamespacePlan& ids, Mounts mounts) {
  lock_ = LiveLock::take(container.fd(), container.id().substr(0, 12));
  const os::UniqueFd layers = mount_layers(container, lowers_of(containers, snapshot.record), ids, false);
  if (mounts == Mounts::Without) {
    root_ = os::Dir(os::UniqueFd(::fcntl(layers.get(), F_DUPFD_CLOEXEC, 3)), "/");
    return;
  }
  // In a mount namespace of our own: it goes with us.
  const os::Path rootfs = container.file("bundle/rootfs");
  os::attach_mount(layers.get(), os::open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC).get(), rootfs);
  attach_volumes(snapshot.record, rootfs);
  root_ = os::Dir::open(rootfs);
}

os::Dir open_lower_view(const Containers& containers, const Container& container, const os::UserNamespacePlan& ids) {
  os::OverlayPlan overlay;
  overlay.lowers = lowers_of(containers, container.record());
  overlay.user_xattr = ids.mode != os::IdMode::Root;
  if (overlay.lowers.empty()) {
    // No image: everything was added.
    return os::Dir::open(container.file("bundle/rootfs"));
  }
  if (overlay.lowers.size() == 1) return os::Dir::open(overlay.lowers.front());
  return os::Dir(os::mount_overlay_any(overlay, container.file("bundle/rootfs")), "/");
}

std::optional<oci::RuntimeSpec> read_spec(const Container& container) {
  const auto text = os::try_read_file(container.file("bundle/config.json"), oci::kMaxRuntimeSpecSize);
  return text ? std::optional(oci::RuntimeSpec::parse(*text)) : std::nullopt;
}

FileOwner owner_of_files(const Container& container) {
  const auto spec = read_spec(container);
  if (!spec || !spec->process) return {};
  const auto outside = [](const std::vector<oci::RuntimeIdMapping>& map, std::uint32_t id) {
    for (const auto& entry : map) {
      if (id >= entry.container_id && id - entry.container_id < entry.size)
        return entry.host_id + id - entry.container_id;
    }
    return id;
  };
  const auto& user = spec->process->user;
  return {outside(spec->linux_.uid_mappings, user.uid), outside(spec->linux_.gid_mappings, user.gid)};
}

}  // namespace proa::engine
