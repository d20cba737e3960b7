#include "tools/build/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"

namespace proa::build {
namespace {

constexpr std::size_t kTailSize = 8 << 10;
constexpr std::size_t kShownInstruction = 200;

// A closed stderr does not stop a build.
void print(std::string_view text) {
  try {
    os::write_all(STDERR_FILENO, text, "stderr");
  } catch (const Error&) {
  }
}

}  // namespace

void Progress::line(std::string_view text) {
  if (mode_ == Mode::Plain) print(fmt::format("{}\n", text));
}

void Progress::step(std::string_view stage, std::string_view instruction) {
  ++number_;
  tail_.clear();
  std::string shown(instruction.substr(0, kShownInstruction));
  if (shown.size() < instruction.size()) shown += "...";
  std::string prefix = stage.empty() ? "" : fmt::format("[{}] ", escape_control(stage));
  line(fmt::format("{}STEP {}/{}: {}", prefix, number_, total_, escape_control(shown)));
}

void Progress::cached() { line("--> Using cache"); }

void Progress::output(std::string_view data) {
  if (mode_ == Mode::Plain) return print(data);
  tail_ += data;
  if (tail_.size() > 2 * kTailSize) tail_.erase(0, tail_.size() - kTailSize);
}

void Progress::show_tail() {
  if (tail_.size() > kTailSize) tail_.erase(0, tail_.find('\n', tail_.size() - kTailSize) + 1);
  print(tail_);
  tail_.clear();
}

}  // namespace proa::build
