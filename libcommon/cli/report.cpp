// Apart from command.cpp, so that the front takes it without the parser.
#include <unistd.h>

#include <cstdio>

#include "libcommon/cli/command.h"

namespace proa::cli {

void report(const std::exception& error) {
  const auto* ours = dynamic_cast<const Error*>(&error);
  if (ours != nullptr && ours->told()) return;
  std::string text = "Error: " + escape_control(error.what()) + "\n";
  if (ours != nullptr && !ours->hint().empty()) {
    text += "hint: " + escape_control(ours->hint()) + "\n";
  }
  std::fflush(stdout);
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace proa::cli
