#include "libcommon/runtime/rootfs.h"

#include <fmt/core.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/mount.h"
#include "libcommon/os/root_file.h"

namespace proa::runtime {
namespace {

using os::UniqueFd;

bool on_procfs(int fd) {
  struct statfs info {};
  return ::fstatfs(fd, &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}

struct stat status_of(int fd, const std::string& name) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) throw system_error("stat " + name);
  return info;
}

// A source below a bundle is relative to it.
std::string source_path(const std::string& source, const std::string& bundle) {
  return source.starts_with('/') || bundle.empty() ? source : os::join(bundle, source);
}

// Flags that a parent user namespace locked cannot be cleared. Not clearing one leaves the mount stricter, which is no
// breach.
void set_attributes(int mount, std::uint64_t set, std::uint64_t clear, bool recursive, const std::string& name) {
  if ((set | clear) == 0) return;
  try {
    os::set_mount_attributes(mount, set, clear, 0, recursive, name);
  } catch (const Error& error) {
    if (error.error_number() != EPERM || clear == 0) throw;
    if (set != 0) os::set_mount_attributes(mount, set, 0, 0, recursive, name);
  }
}

bool may_make_devices(const oci::RuntimeSpec& spec) {
  if (!spec.process || !spec.process->capabilities) return true;
  const auto& names = spec.process->capabilities->bounding;
  return std::find(names.begin(), names.end(), "CAP_MKNOD") != names.end();
}

}  // namespace

RootBuilder::RootBuilder(const oci::RuntimeSpec& spec, std::string bundle, bool in_user_namespace)
    : spec_(spec), bundle_(std::move(bundle)), in_user_namespace_(in_user_namespace) {}

void RootBuilder::open_root(int root_mount, const std::string& root_path) {
  bool shared = std::any_of(spec_.mounts.begin(), spec_.mounts.end(), [](const auto& mount) {
    return std::any_of(mount.options.begin(), mount.options.end(),
                       [](const auto& option) { return option == "shared" || option == "rshared"; });
  });
  // Nothing of ours may reach the host. A mount that shall be shared with it needs its tree untouched; then "/" alone
  // is cut off, which is the mount that our root is put on (pivot_root(2) demands that it is not shared).
  if (shared) {
    if (::mount(nullptr, "/", nullptr, MS_PRIVATE, nullptr) != 0) throw system_error("set the propagation of /");
  } else {
    os::set_propagation(MS_SLAVE);
  }
  if (root_mount >= 0) {
    root_mount_ = UniqueFd(::fcntl(root_mount, F_DUPFD_CLOEXEC, 3));
  } else {
    root_mount_ = os::clone_mount(source_path(root_path, bundle_), true);
  }
}

void RootBuilder::open_sources(const std::vector<MountStep>& steps) {
  for (const auto& step : steps) {
    bool bind = step.kind == MountStep::Kind::Bind;
    sources_.push_back(bind ? os::clone_mount(source_path(step.source, bundle_), step.recursive) : UniqueFd());
  }
}

void RootBuilder::attach_root() {
  std::uint64_t propagation = MS_PRIVATE;
  if (spec_.linux_.rootfs_propagation.ends_with("slave")) propagation = MS_SLAVE;
  if (spec_.linux_.rootfs_propagation.ends_with("shared")) propagation = MS_SHARED;
  if (spec_.linux_.rootfs_propagation.ends_with("unbindable")) propagation = MS_UNBINDABLE;
  os::set_mount_attributes(root_mount_.get(), 0, 0, MS_PRIVATE, true, "the root");
  // Device nodes that an image brought are dead in a user namespace, and have to be without one: no device cgroup
  // stands before them.
  if (!in_user_namespace_ && !may_make_devices(spec_)) {
    os::set_mount_attributes(root_mount_.get(), MOUNT_ATTR_NODEV, 0, 0, false, "the root");
  }
  UniqueFd here = os::open("/", O_PATH | O_DIRECTORY);
  os::attach_mount(root_mount_.get(), here.get(), "/");
  if (propagation != MS_PRIVATE) os::set_mount_attributes(root_mount_.get(), 0, 0, propagation, false, "the root");
  root_.emplace(UniqueFd(::fcntl(root_mount_.get(), F_DUPFD_CLOEXEC, 3)), "the container");
  null_device_ = os::open("/dev/null", O_PATH);
  struct stat null = status_of(null_device_.get(), "/dev/null");
  if (!S_ISCHR(null.st_mode) || null.st_rdev != makedev(1, 3)) {
    throw Error(ErrorCode::Unsupported, "/dev/null of the host is not the null device");
  }
}

// /proc and /sys must be plain directories: an image that makes them links would have attributes written elsewhere
// (CVE-2019-19921).
UniqueFd RootBuilder::pure_directory(const std::string& name) const {
  UniqueFd fd(::openat(root_->fd(), name.c_str(), O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) {
    if (::mkdirat(root_->fd(), name.c_str(), 0555) != 0) throw system_error("mkdir /" + name);
    fd = UniqueFd(::openat(root_->fd(), name.c_str(), O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC));
  }
  if (!fd.valid())
    throw Error(ErrorCode::InvalidArgument, fmt::format("/{} of the image is not a plain directory", name));
  return fd;
}

UniqueFd RootBuilder::target(const MountStep& step, bool directory) const {
  std::string clean = clean_path(step.target);
  if (clean == "/proc" || clean == "/sys") return pure_directory(clean.substr(1));
  auto found = root_->try_open_in_root(step.target, O_PATH);
  if (!found) found = directory ? root_->make_dirs_in_root(step.target) : os::make_file_in_root(*root_, step.target);
  if (on_procfs(found->get()) && !is_below(clean, "/proc")) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("mount on {}: the path leads into /proc", step.target));
  }
  return std::move(*found);
}

void RootBuilder::attach(const MountStep& step, UniqueFd mount, int target_fd) {
  os::attach_mount(mount.get(), target_fd, step.target);
  if (step.propagation != 0) {
    os::set_mount_attributes(mount.get(), 0, 0, step.propagation, step.propagation_recursive, step.target);
  }
  if (step.kind == MountStep::Kind::Filesystem && step.type == "proc" && clean_path(step.target) == "/proc") {
    proc_ = std::move(mount);
  } else if (step.type == "devpts") {
    devpts_ = std::move(mount);
  }
}

void RootBuilder::mount_filesystem(const MountStep& step) {
  bool has_mode = std::any_of(step.parameters.begin(), step.parameters.end(),
                              [](const auto& parameter) { return parameter.first == "mode"; });
  // A tmpfs over a directory looks like it; over none it is open to all, as in other runtimes.
  bool like_below = step.type == "tmpfs" && !has_mode && root_->try_open_in_root(step.target, O_PATH).has_value();
  UniqueFd on = target(step, true);
  auto parameters = step.parameters;
  if (!step.source.empty()) parameters.emplace_back("source", step.source);
  auto attributes = step.set;
  bool is_dev = clean_path(step.target) == "/dev" && step.type == "tmpfs";
  if (is_dev) {
    own_dev_ = true;
    dev_read_only_ = (attributes & MOUNT_ATTR_RDONLY) != 0;
    attributes &= ~std::uint64_t{MOUNT_ATTR_RDONLY};  // until the devices are there
  }
  if (like_below) {
    parameters.emplace_back("mode", fmt::format("{:o}", status_of(on.get(), step.target).st_mode & 07777));
  }
  std::uint64_t late = step.copy_up ? attributes & MOUNT_ATTR_RDONLY : 0;
  UniqueFd mount = os::new_filesystem(step.type, parameters, attributes & ~late);
  if (step.copy_up) {
    UniqueFd from = os::open(".", O_RDONLY | O_DIRECTORY, 0, on.get());
    copy_tree(from.get(), mount.get());
    set_attributes(mount.get(), late, 0, false, step.target);
  }
  attach(step, std::move(mount), on.get());
}

void RootBuilder::mount_bind(const MountStep& step, UniqueFd tree) {
  struct stat info = status_of(tree.get(), step.source);
  UniqueFd on = target(step, S_ISDIR(info.st_mode));
  // Private unless asked for otherwise, so that unmounting inside does not reach the host.
  if (step.propagation == 0) os::set_mount_attributes(tree.get(), 0, 0, MS_PRIVATE, true, step.target);
  set_attributes(tree.get(), step.set, step.clear, false, step.target);
  set_attributes(tree.get(), step.recursive_set, step.recursive_clear, true, step.target);
  attach(step, std::move(tree), on.get());
}

void RootBuilder::mount_cgroup(const MountStep& step) {
  UniqueFd on = target(step, true);
  if (spec_.find_namespace("cgroup") != nullptr) {
    try {
      attach(step, os::new_filesystem("cgroup2", {}, step.set), on.get());
      return;
    } catch (const Error& error) {
      // EBUSY: a machine with version 1 only; EPERM: an outer container hides parts of it.
      if (error.error_number() != EPERM && error.error_number() != EBUSY && error.error_number() != ENODEV) throw;
    }
  }
  // Another namespace's groups can be looked at, not changed.
  UniqueFd tree = os::clone_mount("/sys/fs/cgroup", true);
  os::set_mount_attributes(tree.get(), 0, 0, MS_PRIVATE, true, step.target);
  set_attributes(tree.get(), step.set | MOUNT_ATTR_RDONLY, 0, true, step.target);
  attach(step, std::move(tree), on.get());
}

void RootBuilder::mount_all(const std::vector<MountStep>& steps) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& step = steps[i];
    While mounting{[&] { return fmt::format("mounting {}", step.target); }};
    if (step.kind == MountStep::Kind::Bind) {
      mount_bind(step, std::move(sources_.at(i)));
    } else if (step.kind == MountStep::Kind::Cgroup) {
      mount_cgroup(step);
    } else {
      try {
        mount_filesystem(step);
      } catch (Error& error) {
        bool refused = error.error_number() == EPERM || error.error_number() == EBUSY;
        if (refused && step.type == "proc") {
          throw Error(error.code(), error.message() + ": an outer container hides parts of /proc");
        }
        if (!refused || !step.bind_when_refused) throw;
        MountStep bind = step;
        bind.kind = MountStep::Kind::Bind;
        bind.source = step.type == "sysfs" ? "/sys" : "/dev/mqueue";
        bind.recursive = true;
        bind.recursive_set = step.set;
        mount_bind(bind, os::clone_mount(bind.source, true));
      }
    }
  }
}

int RootBuilder::proc() {
  // A spec without /proc still gets its sysctls through a procfs of its own namespace.
  if (proc_.valid()) return proc_.get();
  try {
    proc_ = os::new_filesystem("proc", {}, 0);
  } catch (const Error& error) {
    if (error.error_number() != EPERM) throw;
    // The host's pid namespace, seen from a user namespace: then it is the host's own procfs, which we still see.
    proc_ = os::open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct statfs status {};
    if (::fstatfs(proc_.get(), &status) < 0 || status.f_type != PROC_SUPER_MAGIC) throw;
  }
  return proc_.get();
}

void RootBuilder::write_sysctls() {
  for (const auto& [key, value] : spec_.linux_.sysctl) {
    // Names with slashes keep dots of interface names: net/ipv4/conf/eth0.1/forwarding.
    std::string path = "sys/" + (key.find('/') != std::string::npos ? key : replace_all(key, ".", "/"));
    struct open_how how {};
    how.flags = O_WRONLY | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, proc(), path.c_str(), &how, sizeof how)));
    if (!fd.valid()) throw system_error("open sysctl " + key);
    if (::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size())) {
      throw system_error(fmt::format("write sysctl {}={}", key, value));
    }
  }
}

void RootBuilder::mask_one(const std::string& path) {
  auto found = root_->try_open_in_root(path, O_PATH);
  if (!found) return;
  if (S_ISDIR(status_of(found->get(), path).st_mode)) {
    os::attach_mount(
        os::new_filesystem("tmpfs", {{"size", "0"}, {"nr_inodes", "1"}, {"mode", "555"}}, MOUNT_ATTR_RDONLY).get(),
        found->get(), path);
  } else {
    os::attach_mount(os::clone_mount_fd(null_device_.get(), false, "/dev/null").get(), found->get(), path);
  }
}

void RootBuilder::mask_paths() {
  for (const auto& path : spec_.linux_.readonly_paths) {
    auto found = root_->try_open_in_root(path, O_PATH);
    if (!found) continue;
    UniqueFd tree = os::clone_mount_fd(found->get(), true, path);
    os::set_mount_attributes(tree.get(), MOUNT_ATTR_RDONLY, 0, 0, true, path);
    os::attach_mount(tree.get(), found->get(), path);
  }
  for (const auto& path : spec_.linux_.masked_paths) mask_one(path);
  if (dev_read_only_) {
    UniqueFd dev = root_->open_in_root("/dev", O_PATH | O_DIRECTORY);
    os::set_mount_attributes(dev.get(), MOUNT_ATTR_RDONLY, 0, 0, false, "/dev");
  }
}

void RootBuilder::make_working_directory(const std::string& path, std::uint32_t uid, std::uint32_t gid) {
  if (root_->try_open_in_root(path, O_PATH)) return;
  // Created by the resolver, and only what was created is given away (CVE-2026-55686).
  UniqueFd made = root_->make_dirs_in_root(path);
  if ((uid != 0 || gid != 0) && ::fchownat(made.get(), "", uid, gid, AT_EMPTY_PATH) != 0) {
    throw system_error("chown " + path);
  }
}

void RootBuilder::enter(bool no_pivot) {
  if (spec_.root_readonly) os::set_mount_attributes(root_mount_.get(), MOUNT_ATTR_RDONLY, 0, 0, false, "the root");
  if (::fchdir(root_mount_.get()) != 0) throw system_error("chdir to the root");
  if (no_pivot) {
    if (::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0) throw system_error("move the root");
    if (::chroot(".") != 0) throw system_error("chroot");
  } else {
    UniqueFd old_root = os::open("/", O_PATH | O_DIRECTORY);
    if (::syscall(SYS_pivot_root, ".", ".") != 0) throw system_error("pivot_root");
    // The old root lies on top of the new one now (pivot_root(2), notes).
    if (::fchdir(old_root.get()) != 0) throw system_error("chdir to the old root");
    if (::mount(nullptr, ".", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) throw system_error("cut off the old root");
    os::detach_mount(".", MNT_DETACH);
  }
  if (::chdir("/") != 0) throw system_error("chdir /");
  root_.reset();
  root_mount_.reset();
}

}  // namespace proa::runtime
