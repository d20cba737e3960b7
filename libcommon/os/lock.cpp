#include "libcommon/os/lock.h"

#include <sys/file.h>

#include <cerrno>

#include "libcommon/base/error.h"

namespace proa::os {
namespace {

// False: somebody else holds it (only with LOCK_NB).
bool flock_retrying(int fd, int operation, const Path& name) {
  while (::flock(fd, operation) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return false;
    throw system_error("lock " + name);
  }
  return true;
}

int operation_for(FileLock::Mode mode) { return mode == FileLock::Mode::Shared ? LOCK_SH : LOCK_EX; }

}  // namespace

FileLock FileLock::acquire(const Path& path, Mode mode) {
  UniqueFd fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  flock_retrying(fd.get(), operation_for(mode), path);
  return FileLock(std::move(fd));
}

std::optional<FileLock> FileLock::try_acquire(const Path& path, Mode mode) {
  return try_lock(open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600), mode, path);
}

std::optional<FileLock> FileLock::try_lock(UniqueFd fd, Mode mode, const Path& name) {
  if (!flock_retrying(fd.get(), operation_for(mode) | LOCK_NB, name)) return std::nullopt;
  return FileLock(std::move(fd));
}

}  // namespace proa::os
