#include "tools/run/engine/copy_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/dir.h"

namespace proa::engine {
namespace {

constexpr int kMaxDepth = 400;

void copy_level(int from, int to, const CopyRules& rules, int depth);

void copy_data(int from, int to, const std::string& name) {
  std::array<std::byte, 128 * 1024> buffer;
  for (;;) {
    const ssize_t moved = ::sendfile(to, from, nullptr, 1 << 20);
    if (moved == 0) return;
    if (moved > 0) continue;
    if (errno != EINVAL && errno != ENOSYS) throw system_error("copy " + escape_control(name));
    break;  // a file system without sendfile, such as /proc
  }
  while (const std::size_t size = os::read_some(from, buffer, name)) {
    os::write_all(to, std::span<const std::byte>(buffer.data(), size), name);
  }
}

// The name is free afterwards, unless a folder is to be merged into one.
bool clear_way(int to, const std::string& name, bool folder, const CopyRules& rules) {
  const auto there = os::try_stat(name, to);
  if (!there) return true;
  const bool is_folder = S_ISDIR(there->st_mode);
  if (is_folder && folder) return false;
  if (is_folder != folder && !rules.overwrite) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("cannot put a {} over the {} {}", folder ? "folder" : "file", is_folder ? "folder" : "file",
                            escape_control(name)),
                "remove it first, or use --overwrite");
  }
  os::remove_tree(name, to);
  return true;
}

void set_attributes(int to, const std::string& name, const struct stat& like, const CopyRules& rules) {
  if (rules.owner && ::fchownat(to, name.c_str(), rules.owner->uid, rules.owner->gid, AT_SYMLINK_NOFOLLOW) < 0 &&
      errno != EINVAL && errno != EPERM) {
    throw system_error("chown " + escape_control(name));
  }
  if (!S_ISLNK(like.st_mode) && ::fchmodat(to, name.c_str(), like.st_mode & 07777, 0) < 0) {
    throw system_error("chmod " + escape_control(name));
  }
  const struct timespec times[] = {{0, UTIME_OMIT}, like.st_mtim};
  if (::utimensat(to, name.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0) {
    throw system_error("set the time of " + escape_control(name));
  }
}

void copy_one(int from, const std::string& from_name, int to, const std::string& name, const CopyRules& rules,
              int depth) {
  const struct stat info = os::stat(from_name, from);
  switch (info.st_mode & S_IFMT) {
    case S_IFDIR: {
      if (clear_way(to, name, true, rules) && ::mkdirat(to, name.c_str(), 0700) < 0) {
        throw system_error("mkdir " + escape_control(name));
      }
      const auto in = os::open(from_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, from);
      const auto out = os::open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, to);
      copy_level(in.get(), out.get(), rules, depth + 1);
      break;
    }
    case S_IFREG: {
      const auto in = os::open(from_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0, from);
      clear_way(to, name, false, rules);
      const auto out = os::open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600, to);
      copy_data(in.get(), out.get(), name);
      break;
    }
    case S_IFLNK:
      clear_way(to, name, false, rules);
      if (::symlinkat(os::read_link(from_name, from).c_str(), to, name.c_str()) < 0) {
        throw system_error("symlink " + escape_control(name));
      }
      break;
    case S_IFIFO:
      clear_way(to, name, false, rules);
      if (::mkfifoat(to, name.c_str(), 0600) < 0) throw system_error("mkfifo " + escape_control(name));
      break;
    default:
      log::warn(fmt::format("{}: devices and sockets are not copied", escape_control(from_name)));
      return;
  }
  set_attributes(to, name, info, rules);
}

void copy_level(int from, int to, const CopyRules& rules, int depth) {
  if (depth > kMaxDepth) throw Error(ErrorCode::LimitExceeded, "folders are nested too deeply");
  for (const auto& name : os::list_dir(from, "what is copied")) copy_one(from, name, to, name, rules, depth);
}

}  // namespace

void copy_entry(int from, const std::string& from_name, int to, const std::string& to_name, const CopyRules& rules) {
  copy_one(from, from_name, to, to_name, rules, 0);
}

void copy_contents(int from, int to, const CopyRules& rules) { copy_level(from, to, rules, 0); }

}  // namespace proa::engine
