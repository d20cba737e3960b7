// Terminals: the caller's, and new ones from a devpts.
#pragma once

#include <sys/ioctl.h>
#include <termios.h>

#include <optional>
#include <string>

#include "libcommon/os/unique_fd.h"

namespace proa::os {

bool is_terminal(int fd);
std::optional<winsize> window_size(int fd);
void set_window_size(int fd, const winsize& size);

// Every key is passed on as it is (cfmakeraw) while it lives; the former settings come back with its end.
class RawMode {
 public:
  explicit RawMode(int fd);
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  ~RawMode();

 private:
  int fd_;
  termios previous_{};
};

struct Pty {
  UniqueFd master;
  UniqueFd slave;
};
// A pair from the devpts whose ptmx is `ptmx` below `directory`. The slave comes by TIOCGPTPEER (Linux 4.13), never by
// a path, which a container could have replaced.
Pty open_pty(const std::string& ptmx = "/dev/ptmx", int directory = -100 /* AT_FDCWD */);

}  // namespace proa::os
