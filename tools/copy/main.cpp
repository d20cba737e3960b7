#include <string>
#include <vector>

#include "libcommon/config/hints.h"
#include "tools/copy/commands.h"
#include "tools/copy/global_flags.h"

int main(int argc, char** argv) {
  proa::cli::Program program;
  program.name = "proa-copy";
  program.summary = "Copy, inspect and manage container images";
  program.hint = proa::config::hint_for;
  program.commands = proa::copy::commands();
  std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  program.usage_error = program.failure = proa::copy::is_skopeo_verb(words) ? 1 : 125;
  words = proa::copy::place_global_flags(words);
  std::vector<char*> pointers = {argv[0]};
  for (auto& word : words) pointers.push_back(word.data());
  return proa::cli::run_program(program, static_cast<int>(pointers.size()), pointers.data());
}
