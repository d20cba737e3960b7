// flock(2) on a file that is never unlinked. A lock is the object; it ends with its scope or its process.
#pragma once

#include <optional>

#include "libcommon/os/file.h"
#include "libcommon/os/unique_fd.h"

namespace proa::os {

class FileLock {
 public:
  enum class Mode { Shared, Exclusive };
  // Creates the file (0600) when absent. Waits.
  [[nodiscard]] static FileLock acquire(const Path& path, Mode mode);
  // nullopt when another process holds it.
  [[nodiscard]] static std::optional<FileLock> try_acquire(const Path& path, Mode mode);
  // Locks an open file or directory.
  [[nodiscard]] static std::optional<FileLock> try_lock(UniqueFd fd, Mode mode, const Path& name);

  int fd() const noexcept { return fd_.get(); }
  // Gives up ownership without unlocking: for a descriptor that a child inherits.
  [[nodiscard]] UniqueFd release() && { return std::move(fd_); }

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace proa::os
