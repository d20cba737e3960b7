#include "tools/copy/terminal.h"

#include <fmt/core.h>
#include <termios.h>
#include <unistd.h>

#include "libcommon/base/defer.h"
#include "libcommon/base/error.h"
#include "libcommon/io/stream.h"
#include "libcommon/os/file.h"

namespace proa::copy {

std::string ask_line(const std::string& prompt, bool secret, const std::string& what, const std::string& hint) {
  constexpr std::size_t kMaxLine = 64 << 10;
  if (::isatty(STDIN_FILENO) != 1) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("cannot ask for the {}: standard input is no terminal", what),
                hint);
  }
  termios old{};
  const bool hide = secret && ::tcgetattr(STDIN_FILENO, &old) == 0;
  if (hide) {
    termios quiet = old;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  const Defer restore([&]() noexcept {
    if (hide) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
  });
  os::write_all(STDERR_FILENO, prompt, "standard error");
  std::string line;
  std::byte byte{};
  while (line.size() < kMaxLine && os::read_some(STDIN_FILENO, io::Buffer(&byte, 1), "standard input") == 1 &&
         byte != std::byte{'\n'}) {
    line += static_cast<char>(byte);
  }
  if (hide) os::write_all(STDERR_FILENO, "\n", "standard error");
  return line;
}

}  // namespace proa::copy
