#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <span>

#include "libcommon/base/error.h"
#include "libcommon/os/file.h"
#include "libcommon/os/tty.h"
#include "tools/run/oci/lifecycle.h"

namespace proa::run::oci {
namespace {

using os::UniqueFd;

// Copies what is there now; false at the end of the source.
bool pass_on(int from, int to) {
  std::array<std::byte, 16384> buffer;
  ssize_t got = ::read(from, buffer.data(), buffer.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (got <= 0) return false;  // EIO: the last one closed its side of the terminal
  os::write_all(to, std::span<const std::byte>(buffer.data(), static_cast<std::size_t>(got)), "terminal");
  return true;
}

void pass_signal(int signals, const os::Child& child, int master) {
  signalfd_siginfo info{};
  if (::read(signals, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return;
  auto signal = static_cast<int>(info.ssi_signo);
  if (signal == SIGCHLD) return;
  if (signal == SIGWINCH && master >= 0) {
    if (auto size = os::window_size(0)) os::set_window_size(master, *size);
    return;
  }
  child.send(signal);
}

UniqueFd catch_signals() {
  sigset_t all;
  ::sigfillset(&all);
  for (int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTTOU, SIGTTIN, SIGTSTP}) ::sigdelset(&all, fault);
  ::sigprocmask(SIG_BLOCK, &all, nullptr);
  UniqueFd fd(::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) throw system_error("signalfd");
  return fd;
}

}  // namespace

int attend(os::Child& child, UniqueFd master) {
  UniqueFd signals = catch_signals();
  std::optional<os::RawMode> raw;
  if (master.valid() && os::is_terminal(0)) {
    if (auto size = os::window_size(0)) os::set_window_size(master.get(), *size);
    raw.emplace(0);
  }
  std::array<pollfd, 4> waiting{{{child.pidfd(), POLLIN, 0},
                                 {signals.get(), POLLIN, 0},
                                 {master.get(), POLLIN, 0},
                                 {master.valid() ? 0 : -1, POLLIN, 0}}};
  while (true) {
    if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
    if (waiting[1].revents != 0) pass_signal(signals.get(), child, master.get());
    if (waiting[2].revents != 0 && !pass_on(master.get(), 1)) waiting[2].fd = -1;
    if (waiting[3].revents != 0 && !pass_on(0, master.get())) waiting[3].fd = -1;
    if (waiting[0].revents != 0) break;
  }
  // What the command wrote last is still in the terminal.
  struct pollfd rest {
    master.get(), POLLIN, 0
  };
  while (waiting[2].fd >= 0 && ::poll(&rest, 1, 0) > 0 && pass_on(master.get(), 1)) {
  }
  return child.wait().to_exit_code();
}

}  // namespace proa::run::oci
