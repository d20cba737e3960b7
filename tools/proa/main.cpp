// The front: finds the tool that owns a verb and becomes it. Starts fast: nothing is read but the path of this program.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/command.h"
#include "libcommon/os/file.h"
#include "libcommon/os/process.h"
#include "tools/proa/global_flags.h"
#include "tools/proa/verbs.h"

namespace proa::front {
namespace {

constexpr int kFailure = 125;

int help() {
  fmt::print(
      "Containers without an engine: run, build and move them as yourself.\n\nUsage: proa [GLOBAL OPTIONS] "
      "COMMAND\n\nCommands:\n");
  for (const auto& verb : verbs()) {
    if (!verb.summary.empty()) fmt::print("  {:<11} {}\n", verb.name, verb.summary);
  }
  fmt::print("\n`proa COMMAND --help` shows a command's options.\n");
  return 0;
}

// The tool beside this program (also when both are reached by links), else the one in PATH.
std::string find_tool(const std::string& name) {
  std::string self = os::read_link("/proc/self/exe");
  std::string beside = os::join(self.substr(0, self.rfind('/')), name);
  if (os::exists(beside)) return beside;
  if (auto found = os::find_program(name)) return *found;
  throw Error(ErrorCode::NotFound, fmt::format("{} is neither beside {} nor in PATH", name, self),
              "install proa's programs into one directory");
}

[[noreturn]] void become(const Route& route) {
  std::string program = find_tool(route.tool);
  std::vector<std::string> words{route.tool};
  words.insert(words.end(), route.arguments.begin(), route.arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  throw system_error("start " + program);
}

[[noreturn]] void unknown_verb(const std::string& verb) {
  if (const char* reason = absence(verb)) {
    throw Error(ErrorCode::Unsupported, fmt::format("proa has no '{}'", verb), reason);
  }
  std::vector<std::string> names;
  for (const auto& known : verbs()) names.emplace_back(known.name);
  auto near = nearest(verb, names);
  throw Error(ErrorCode::InvalidArgument, fmt::format("unknown command '{}' for 'proa'", escape_control(verb)),
              near ? fmt::format("did you mean `proa {}`?", *near) : "`proa --help` lists the commands");
}

int run(const std::vector<std::string>& words) {
  const GlobalFlags flags = take_global_flags(words);
  for (const auto& flag : flags.kept) {
    if (flag == "--help" || flag == "-h") return help();
    if (flag == "--version" || flag == "-v") {
      fmt::print("proa version {}\n", PROA_VERSION);
      return 0;
    }
  }
  std::vector<std::string> rest(words.begin() + static_cast<std::ptrdiff_t>(flags.verb), words.end());
  if (rest.empty() || rest == std::vector<std::string>{"help"}) return help();
  if (rest[0] == "help") {  // `help image ls` is `image ls --help`
    rest.erase(rest.begin());
    rest.emplace_back("--help");
  }
  if (auto target = route(flags, rest)) become(*target);
  unknown_verb(rest[0]);
}

}  // namespace
}  // namespace proa::front

int main(int argc, char** argv) {
  try {
    return proa::front::run({argv + std::min(argc, 1), argv + argc});
  } catch (const std::exception& error) {
    proa::cli::report(error);
    return proa::front::kFailure;
  }
}
