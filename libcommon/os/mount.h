// The mount API of Linux 5.2 on descriptors: nothing here resolves a path inside a container.
#pragma once

#include <sys/mount.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "libcommon/os/file.h"
#include "libcommon/os/unique_fd.h"

namespace proa::os {

// A parameter of fsconfig(2); an empty value sets a flag.
using MountParameters = std::vector<std::pair<std::string, std::string>>;

// A new instance of a file system, not attached anywhere yet. It goes when the descriptor (and what was opened below)
// is closed. `attributes`: MOUNT_ATTR_*. The error text holds what the kernel wrote into the log of fsopen.
UniqueFd new_filesystem(const std::string& type, const MountParameters& parameters, std::uint64_t attributes);
// A detached copy of what is mounted at `path` (open_tree with OPEN_TREE_CLONE); `recursive` takes submounts along.
UniqueFd clone_mount(const Path& path, bool recursive, int at = AT_FDCWD, int flags = 0);
UniqueFd clone_mount_fd(int fd, bool recursive, const Path& name);
// Attaches a detached mount on an open file or directory.
void attach_mount(int mount_fd, int target_fd, const Path& name);
// mount_setattr(2), Linux 5.12. `propagation` is one of MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE, or 0.
void set_mount_attributes(int mount_fd, std::uint64_t set, std::uint64_t clear, std::uint64_t propagation,
                          bool recursive, const Path& name);
void detach_mount(const Path& path, int flags);
// Makes all mounts of our namespace slaves or private (MS_REC is added).
void set_propagation(unsigned long flags);

struct OverlayPlan {
  std::vector<Path> lowers;  // topmost first
  Path upper, work;          // both empty: read-only
  bool user_xattr = true;    // in user namespaces, Linux 5.11
  bool no_sync = false;      // "volatile", Linux 5.10: for what is thrown away after a crash anyway
};
// A native overlay, detached: open files in it with os::Dir, attach it in the namespace that shall see it. Needs
// CAP_SYS_ADMIN in the user namespace of our mount namespace. Throws Unsupported when the kernel refuses overlays here.
UniqueFd mount_overlay(const OverlayPlan& plan);
// The same through fuse-overlayfs, mounted on `mount_point` in our mount namespace and detached from it again. The
// daemon ends with the last user of the mount. Throws when the program or /dev/fuse is missing.
UniqueFd mount_fuse_overlay(const OverlayPlan& plan, const Path& mount_point);
// Native, else fuse-overlayfs (said once at debug level).
UniqueFd mount_overlay_any(const OverlayPlan& plan, const Path& mount_point);

}  // namespace proa::os
