#include "libcommon/os/mount.h"

#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/process.h"

namespace proa::os {
namespace {

// The numbers are those of linux/mount.h (Linux 5.2); sys/mount.h of glibc 2.36 has functions of the same names, musl
// has not.
int sys_fsopen(const char* type) { return static_cast<int>(::syscall(SYS_fsopen, type, 1 /* FSOPEN_CLOEXEC */)); }
int sys_fsconfig(int fd, unsigned command, const char* key, const char* value) {
  return static_cast<int>(::syscall(SYS_fsconfig, fd, command, key, value, 0));
}
int sys_fsmount(int fd, std::uint64_t attributes) {
  return static_cast<int>(::syscall(SYS_fsmount, fd, 1 /* FSMOUNT_CLOEXEC */, static_cast<unsigned>(attributes)));
}
constexpr unsigned kOpenTreeClone = 1;
constexpr unsigned kFsconfigSetFlag = 0, kFsconfigSetString = 1, kFsconfigCreate = 6;
constexpr unsigned kMoveEmptyFrom = 0x4, kMoveEmptyTo = 0x40;

// What the file system said about the failure: one message a read, "e TEXT".
std::string kernel_log(int fs) {
  std::string text;
  std::array<char, 512> line{};
  for (int i = 0; i < 8; ++i) {
    ssize_t got = ::read(fs, line.data(), line.size());
    if (got <= 0) break;
    std::string_view message(line.data(), static_cast<std::size_t>(got));
    if (message.size() > 2 && message[1] == ' ') message.remove_prefix(2);
    text += fmt::format(" ({})", trim(message));
  }
  return text;
}

[[noreturn]] void fs_failed(int fs, const std::string& what) {
  int error = errno;
  std::string said = kernel_log(fs);
  throw system_error(what + said, error);
}

}  // namespace

UniqueFd new_filesystem(const std::string& type, const MountParameters& parameters, std::uint64_t attributes) {
  UniqueFd fs(sys_fsopen(type.c_str()));
  if (!fs.valid()) throw system_error("fsopen " + type);
  for (const auto& [key, value] : parameters) {
    unsigned command = value.empty() ? kFsconfigSetFlag : kFsconfigSetString;
    if (sys_fsconfig(fs.get(), command, key.c_str(), value.empty() ? nullptr : value.c_str()) != 0) {
      fs_failed(fs.get(), fmt::format("mount {}: option {}{}{}", type, key, value.empty() ? "" : "=", value));
    }
  }
  if (sys_fsconfig(fs.get(), kFsconfigCreate, nullptr, nullptr) != 0) fs_failed(fs.get(), "mount " + type);
  UniqueFd mount(sys_fsmount(fs.get(), attributes));
  if (!mount.valid()) fs_failed(fs.get(), "mount " + type);
  return mount;
}

UniqueFd clone_mount(const Path& path, bool recursive, int at, int flags) {
  unsigned all = kOpenTreeClone | O_CLOEXEC | static_cast<unsigned>(flags) | (recursive ? AT_RECURSIVE : 0U);
  UniqueFd fd(static_cast<int>(::syscall(SYS_open_tree, at, path.c_str(), all)));
  if (!fd.valid()) throw system_error("bind " + path);
  return fd;
}

UniqueFd clone_mount_fd(int fd, bool recursive, const Path& name) {
  unsigned all = kOpenTreeClone | O_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);
  UniqueFd tree(static_cast<int>(::syscall(SYS_open_tree, fd, "", all)));
  if (!tree.valid()) throw system_error("bind " + name);
  return tree;
}

void attach_mount(int mount_fd, int target_fd, const Path& name) {
  if (::syscall(SYS_move_mount, mount_fd, "", target_fd, "", kMoveEmptyFrom | kMoveEmptyTo) != 0) {
    throw system_error("mount on " + name);
  }
}

void set_mount_attributes(int mount_fd, std::uint64_t set, std::uint64_t clear, std::uint64_t propagation,
                          bool recursive, const Path& name) {
  struct Attributes {
    std::uint64_t attr_set, attr_clr, propagation, userns_fd;
  } attributes{set, clear, propagation, 0};
  unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);
  if (::syscall(SYS_mount_setattr, mount_fd, "", flags, &attributes, sizeof attributes) != 0) {
    throw system_error("set mount options of " + name);
  }
}

void detach_mount(const Path& path, int flags) {
  if (::umount2(path.c_str(), flags) != 0) throw system_error("unmount " + path);
}

void set_propagation(unsigned long flags) {
  if (::mount(nullptr, "/", nullptr, MS_REC | flags, nullptr) != 0) throw system_error("set the propagation of /");
}

namespace {

void add_common(const OverlayPlan& plan, MountParameters& parameters) {
  if (!plan.upper.empty()) {
    parameters.emplace_back("upperdir", plan.upper);
    parameters.emplace_back("workdir", plan.work);
  }
  if (plan.user_xattr) parameters.emplace_back("userxattr", "");
  if (plan.no_sync && !plan.upper.empty()) parameters.emplace_back("volatile", "");
}

// In mount options ":" separates lower layers and "\" escapes (kernel documentation of overlayfs).
std::string escape_lower(const Path& path) { return replace_all(replace_all(path, "\\", "\\\\"), ":", "\\:"); }

std::string joined_lowers(const OverlayPlan& plan) {
  std::vector<std::string> lowers;
  for (const auto& lower : plan.lowers) lowers.push_back(escape_lower(lower));
  return proa::join(lowers, ":");
}

constexpr std::size_t kMaxParameter = 255;  // strings of fsconfig are shorter than 256 bytes

UniqueFd mount_overlay_one_by_one(const OverlayPlan& plan) {
  MountParameters parameters;
  for (const auto& lower : plan.lowers) parameters.emplace_back("lowerdir+", lower);  // Linux 6.8
  add_common(plan, parameters);
  return new_filesystem("overlay", parameters, 0);
}

}  // namespace

UniqueFd mount_overlay(const OverlayPlan& plan) {
  While mounting{"mounting an overlay"};
  try {
    return mount_overlay_one_by_one(plan);
  } catch (const Error& error) {
    if (error.error_number() != EINVAL) throw;
  }
  MountParameters parameters{{"lowerdir", joined_lowers(plan)}};
  add_common(plan, parameters);
  if (parameters[0].second.size() > kMaxParameter) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("{} layers need more mount options than this kernel takes", plan.lowers.size()),
                "Linux 6.8 and newer have no such limit");
  }
  return new_filesystem("overlay", parameters, 0);
}

UniqueFd mount_fuse_overlay(const OverlayPlan& plan, const Path& mount_point) {
  While mounting{"mounting fuse-overlayfs"};
  std::string options = "lowerdir=" + joined_lowers(plan);
  if (!plan.upper.empty()) options += fmt::format(",upperdir={},workdir={}", plan.upper, plan.work);
  SpawnPlan helper;
  helper.program = "fuse-overlayfs";
  helper.arguments = {"-o", options, mount_point};
  // It goes into the background by itself, once the file system is mounted.
  UniqueFd null = open("/dev/null", O_RDWR);
  // A file rather than a pipe: the daemon keeps its end open.
  UniqueFd said(::memfd_create("messages", MFD_CLOEXEC));
  if (!said.valid()) throw system_error("memfd_create");
  helper.descriptors = {{null.get(), 0}, {null.get(), 1}, {said.get(), 2}};
  WaitStatus status = spawn(helper).wait();
  if (!status.success()) {
    ::lseek(said.get(), 0, SEEK_SET);
    std::string why = read_fd(said.get(), 1 << 16, "messages");
    throw Error(ErrorCode::Unsupported, fmt::format("fuse-overlayfs {}: {}", status.text(), escape_control(trim(why))));
  }
  UniqueFd mount = clone_mount(mount_point, false);
  detach_mount(mount_point, MNT_DETACH);
  return mount;
}

UniqueFd mount_overlay_any(const OverlayPlan& plan, const Path& mount_point) {
  try {
    return mount_overlay(plan);
  } catch (const Error& error) {
    log::debug(fmt::format("native overlay is refused, trying fuse-overlayfs: {}", error.what()));
    try {
      return mount_fuse_overlay(plan, mount_point);
    } catch (const Error& second) {
      log::debug(second.what());
    }
    throw Error(error.code(), error.message(), "overlays need Linux 5.13, or the program fuse-overlayfs and /dev/fuse");
  }
}

}  // namespace proa::os
