// Who lives: a container's monitor holds the lock of its folder from before the start to after the last record.
#pragma once

#include <optional>
#include <string_view>

#include "libcommon/os/unique_fd.h"

namespace proa::engine {

// An open-file-description lock (fcntl(2), Linux 3.15) on the file `lock` of a container's folder. Unlike flock(2) it
// can be asked about without being taken, so that a listing never stands in the way of a start. It ends with the last
// process that has the descriptor.
class LiveLock {
 public:
  // nullopt: somebody holds it.
  static std::optional<LiveLock> try_take(int container_dir);
  // Waits two seconds for a monitor or a command that ends just now; then InUse, with `name` in its text.
  static LiveLock take(int container_dir, std::string_view name);
  static bool held(int container_dir);

  int fd() const noexcept { return fd_.get(); }

 private:
  explicit LiveLock(os::UniqueFd fd) : fd_(std::move(fd)) {}
  os::UniqueFd fd_;
};

}  // namespace proa::engine
