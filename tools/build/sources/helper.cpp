#include "tools/build/sources/helper.h"

#include <fmt/core.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/runtime/self.h"

namespace proa::build {

std::string copy_program() {
  std::string self = runtime::own_binary();
  std::string beside = self.substr(0, self.find_last_of('/')) + "/proa-copy";
  return ::access(beside.c_str(), X_OK) == 0 ? beside : "proa-copy";
}

void require_success(const os::WaitStatus& status, const std::string& failure) {
  if (status.success()) return;
  if (status.signal() != 0) throw Error(ErrorCode::Unavailable, fmt::format("{}: {}", failure, status.text()));
  throw Error(ErrorCode::Unavailable, failure).already_told();
}

void run_copy_program(std::vector<std::string> arguments, const std::string& failure) {
  os::SpawnPlan plan;
  plan.program = copy_program();
  plan.arguments = std::move(arguments);
  // Our stdout is for the result of the build alone.
  plan.descriptors = {{STDERR_FILENO, STDOUT_FILENO}};
  require_success(os::spawn(plan).wait(), failure);
}

std::string output_of(const os::SpawnPlan& plan, std::string_view what) {
  os::Output output = os::run(plan);
  if (output.status.success()) return std::move(output.out);
  std::string_view text = trim(output.err);
  if (auto last = cut_last(text, "\n")) text = last->second;
  for (std::string_view prefix : {"Error: ", "fatal: "}) {
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  }
  throw Error(ErrorCode::Unavailable,
              fmt::format("{}: {}", what, text.empty() ? output.status.text() : escape_control(text)));
}

}  // namespace proa::build
