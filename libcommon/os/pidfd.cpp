#include "libcommon/os/pidfd.h"

#include <poll.h>
#include <sys/syscall.h>

#include <string>

#include "libcommon/base/error.h"

namespace proa::os {

UniqueFd pidfd_open(pid_t pid) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd.valid()) throw system_error("pidfd_open " + std::to_string(pid));
  return fd;
}

void pidfd_send_signal(int pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) != 0) throw system_error("pidfd_send_signal");
}

bool pidfd_ended(int pidfd) {
  struct pollfd poll_fd {
    pidfd, POLLIN, 0
  };
  return ::poll(&poll_fd, 1, 0) == 1;
}

}  // namespace proa::os
