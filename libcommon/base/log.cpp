#include "libcommon/base/log.h"

#include <unistd.h>

#include <atomic>
#include <string>

namespace proa::log {
namespace {

std::atomic<Level> current = Level::Warn;

// One write, so that lines of several processes do not mix.
void print(std::string_view prefix, std::string_view line) {
  std::string text;
  text.reserve(prefix.size() + line.size() + 1);
  text.append(prefix).append(line).append("\n");
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

void set_level(Level level) { current = level; }
Level level() { return current; }

void warn(std::string_view line) {
  if (current >= Level::Warn) print("warning: ", line);
}
void note(std::string_view line) {
  if (current >= Level::Warn) print("note: ", line);
}
void debug(std::string_view line) {
  if (current >= Level::Debug) print("debug: ", line);
}

}  // namespace proa::log
