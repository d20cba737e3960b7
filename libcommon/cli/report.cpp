// Apart from command.cpp, so that the front takes it without the parser.
#include <unistd.h>

#include <cstdio>

#include "libcommon/cli/command.h"

namespace proa::cli {

namespace {
std::string (*hints)(const Error&) = nullptr;
}

void set_hints(std::string (*hint)(const Error&)) { hints = hint; }

void report(const std::exception& error) {
  const auto* ours = dynamic_cast<const Error*>(&error);
  if (ours != nullptr && ours->told()) return;
  std::string text = "Error: " + escape_control(error.what()) + "\n";
  if (ours != nullptr) {
    const std::string hint = ours->hint().empty() && hints != nullptr ? hints(*ours) : ours->hint();
    if (!hint.empty()) text += "hint: " + escape_control(hint) + "\n";
  }
  std::fflush(stdout);
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace proa::cli
