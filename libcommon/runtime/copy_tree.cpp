#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "libcommon/base/error.h"
#include "libcommon/os/dir.h"
#include "libcommon/runtime/rootfs.h"

namespace proa::runtime {
namespace {

using os::UniqueFd;

constexpr int kMaxDepth = 200;

void copy_file(int from, int to, const std::string& name) {
  UniqueFd in(::openat(from, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  UniqueFd out(::openat(to, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!in.valid() || !out.valid()) throw system_error("copy " + name);
  while (true) {
    ssize_t moved = ::sendfile(out.get(), in.get(), nullptr, 1 << 20);
    if (moved < 0) throw system_error("copy " + name);
    if (moved == 0) break;
  }
}

void copy_level(int from, int to, int depth);

void copy_entry(int from, int to, const std::string& name, int depth) {
  struct stat info = os::stat(name, from);
  if (S_ISDIR(info.st_mode)) {
    if (::mkdirat(to, name.c_str(), 0700) != 0) throw system_error("mkdir " + name);
    UniqueFd in = os::open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, from);
    UniqueFd out = os::open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, to);
    copy_level(in.get(), out.get(), depth + 1);
  } else if (S_ISREG(info.st_mode)) {
    copy_file(from, to, name);
  } else if (S_ISLNK(info.st_mode)) {
    if (::symlinkat(os::read_link(name, from).c_str(), to, name.c_str()) != 0) throw system_error("symlink " + name);
  } else {
    return;  // sockets, pipes and devices are not data
  }
  // An owner outside of the id map cannot be given.
  if (::fchownat(to, name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0 && errno != EINVAL &&
      errno != EPERM) {
    throw system_error("chown " + name);
  }
  if (!S_ISLNK(info.st_mode) && ::fchmodat(to, name.c_str(), info.st_mode & 07777, 0) != 0)
    throw system_error("chmod " + name);
}

void copy_level(int from, int to, int depth) {
  if (depth > kMaxDepth) throw Error(ErrorCode::LimitExceeded, "directories are nested too deeply");
  for (const auto& name : os::list_dir(from, "the directory below a tmpfs")) copy_entry(from, to, name, depth);
}

}  // namespace

void copy_tree(int from, int to) { copy_level(from, to, 0); }

}  // namespace proa::runtime
