// /dev of a container: nodes, links and the console, below a descriptor of its tmpfs.
#include <fmt/core.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "libcommon/base/error.h"
#include "libcommon/os/mount.h"
#include "libcommon/os/tty.h"
#include "libcommon/runtime/rootfs.h"

namespace proa::runtime {
namespace {

using os::UniqueFd;

struct DefaultDevice {
  const char* path;
  int major, minor;
};
// config-linux.md "Default Devices"
constexpr std::array<DefaultDevice, 6> kDevices{{{"/dev/null", 1, 3},
                                                 {"/dev/zero", 1, 5},
                                                 {"/dev/full", 1, 7},
                                                 {"/dev/random", 1, 8},
                                                 {"/dev/urandom", 1, 9},
                                                 {"/dev/tty", 5, 0}}};

struct Link {
  const char* name;
  const char* target;
};
constexpr std::array<Link, 6> kLinks{{{"fd", "/proc/self/fd"},
                                      {"stdin", "/proc/self/fd/0"},
                                      {"stdout", "/proc/self/fd/1"},
                                      {"stderr", "/proc/self/fd/2"},
                                      {"core", "/proc/kcore"},
                                      {"ptmx", "pts/ptmx"}}};

mode_t node_type(const oci::RuntimeDevice& device) {
  if (device.type == "c" || device.type == "u") return S_IFCHR;
  if (device.type == "b") return S_IFBLK;
  if (device.type == "p") return S_IFIFO;
  throw Error(ErrorCode::InvalidArgument, fmt::format("device {}: unknown type '{}'", device.path, device.type));
}

}  // namespace

// In a user namespace nodes cannot be made; the host's own is bound, after a look that it is the device that was asked
// for.
void RootBuilder::bind_device(const oci::RuntimeDevice& device, int directory, const std::string& name) {
  UniqueFd source = os::open(device.path, O_PATH);
  struct stat info {};
  if (::fstat(source.get(), &info) != 0) throw system_error("stat " + device.path);
  bool same = (info.st_mode & S_IFMT) == node_type(device) &&
              major(info.st_rdev) == static_cast<unsigned>(device.major) &&
              minor(info.st_rdev) == static_cast<unsigned>(device.minor);
  if (!same) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("device {} of the host is not {} {}:{}", device.path,
                                                        device.type, device.major, device.minor));
  }
  UniqueFd file(::openat(directory, name.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file.valid() && errno == EEXIST) return;  // bound there by a mount already
  if (!file.valid()) throw system_error("create " + device.path);
  os::attach_mount(os::clone_mount_fd(source.get(), false, device.path).get(), file.get(), device.path);
}

void RootBuilder::make_device(int dev, const oci::RuntimeDevice& device) {
  std::string name = device.path.substr(device.path.rfind('/') + 1);
  UniqueFd parent;
  if (auto slash = device.path.rfind('/'); device.path.substr(0, slash) != "/dev") {
    parent = root_->make_dirs_in_root(device.path.substr(0, slash));
    dev = parent.get();
  }
  mode_t type = node_type(device);
  bool is_node = type != S_IFIFO;
  if (in_user_namespace_ && is_node) return bind_device(device, dev, name);
  mode_t mode = device.file_mode.value_or(0666);
  if (::mknodat(dev, name.c_str(), type | (mode & 07777),
                makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor))) != 0) {
    if (errno == EEXIST) return;
    if (errno == EPERM && is_node) return bind_device(device, dev, name);
    throw system_error("mknod " + device.path);
  }
  // The umask took some.
  if (::fchmodat(dev, name.c_str(), mode & 07777, 0) != 0) throw system_error("chmod " + device.path);
  if (device.uid || device.gid) {
    if (::fchownat(dev, name.c_str(), device.uid.value_or(0), device.gid.value_or(0), AT_SYMLINK_NOFOLLOW) != 0) {
      throw system_error("chown " + device.path);
    }
  }
}

void RootBuilder::make_devices() {
  // A /dev that was bound from elsewhere is used as it is.
  if (!own_dev_) return;
  UniqueFd dev = root_->open_in_root("/dev", O_PATH | O_DIRECTORY);
  for (const auto& device : kDevices) {
    make_device(dev.get(), {device.path, "c", device.major, device.minor, 0666, std::nullopt, std::nullopt});
  }
  for (const auto& device : spec_.linux_.devices) {
    bool is_default = false;
    for (const auto& other : kDevices) is_default = is_default || device.path == other.path;
    if (!is_default) make_device(dev.get(), device);
  }
  for (const auto& link : kLinks) {
    if (::symlinkat(link.target, dev.get(), link.name) != 0 && errno != EEXIST) {
      throw system_error(fmt::format("symlink /dev/{}", link.name));
    }
  }
}

std::pair<UniqueFd, UniqueFd> RootBuilder::make_console() {
  os::Pty pty = devpts_.valid() ? os::open_pty("ptmx", devpts_.get()) : os::open_pty();
  if (own_dev_) {
    UniqueFd dev = root_->open_in_root("/dev", O_PATH | O_DIRECTORY);
    UniqueFd file(::openat(dev.get(), "console", O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.valid()) throw system_error("create /dev/console");
    os::attach_mount(os::clone_mount_fd(pty.slave.get(), false, "/dev/console").get(), file.get(), "/dev/console");
  }
  return {std::move(pty.master), std::move(pty.slave)};
}

}  // namespace proa::runtime
