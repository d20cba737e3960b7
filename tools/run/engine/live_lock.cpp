#include "tools/run/engine/live_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>

#include "libcommon/base/error.h"
#include "libcommon/os/file.h"

namespace proa::engine {
namespace {

struct flock whole_file(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

std::optional<LiveLock> LiveLock::try_take(int container_dir) {
  os::UniqueFd fd = os::open("lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600, container_dir);
  struct flock lock = whole_file(F_WRLCK);
  if (::fcntl(fd.get(), F_OFD_SETLK, &lock) == 0) return LiveLock(std::move(fd));
  if (errno == EAGAIN || errno == EACCES) return std::nullopt;
  throw system_error("lock container");
}

LiveLock LiveLock::take(int container_dir, std::string_view name) {
  constexpr int kAttempts = 200;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (auto lock = try_take(container_dir)) return std::move(*lock);
    ::poll(nullptr, 0, 10);
  }
  throw Error(ErrorCode::InUse, fmt::format("container {} is in use by another command", name));
}

bool LiveLock::held(int container_dir) {
  auto fd = os::try_open("lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0, container_dir);
  if (!fd) return false;
  struct flock lock = whole_file(F_WRLCK);
  if (::fcntl(fd->get(), F_OFD_GETLK, &lock) < 0) throw system_error("ask for the lock of a container");
  return lock.l_type != F_UNLCK;
}

}  // namespace proa::engine
