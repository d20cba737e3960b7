#include "libcommon/os/tty.h"

#include <fcntl.h>

#include "libcommon/base/error.h"
#include "libcommon/os/file.h"

namespace proa::os {

static_assert(AT_FDCWD == -100);

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

std::optional<winsize> window_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) < 0) return std::nullopt;
  return size;
}

void set_window_size(int fd, const winsize& size) {
  if (::ioctl(fd, TIOCSWINSZ, &size) < 0) throw system_error("TIOCSWINSZ");
}

RawMode::RawMode(int fd) : fd_(fd) {
  if (::tcgetattr(fd_, &previous_) < 0) throw system_error("tcgetattr");
  termios raw = previous_;
  ::cfmakeraw(&raw);
  if (::tcsetattr(fd_, TCSADRAIN, &raw) < 0) throw system_error("tcsetattr");
}

RawMode::~RawMode() { ::tcsetattr(fd_, TCSADRAIN, &previous_); }

Pty open_pty(const std::string& ptmx, int directory) {
  Pty pty;
  pty.master = open(ptmx, O_RDWR | O_NOCTTY | O_CLOEXEC, 0, directory);
  int unlock = 0;
  if (::ioctl(pty.master.get(), TIOCSPTLCK, &unlock) < 0) throw system_error("unlock pty");
  pty.slave = UniqueFd(::ioctl(pty.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!pty.slave.valid()) throw system_error("TIOCGPTPEER");
  return pty;
}

}  // namespace proa::os
