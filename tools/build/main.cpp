#include "libcommon/cli/command.h"
#include "libcommon/config/hints.h"
#include "libcommon/runtime/self.h"
#include "tools/build/commands/build.h"
#include "tools/build/commands/cache.h"
#include "tools/build/working/verbs.h"

int main(int argc, char** argv) {
  using namespace proa::build;
  proa::runtime::protect_own_binary(argv);
  std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (!words.empty()) {
    if (std::string program = program_of_verb(words[0]); !program.empty()) {
      try {
        forward_to(program, words);
      } catch (const std::exception& error) {
        proa::cli::report(error);
        return 125;
      }
    }
  }
  proa::cli::Program program;
  program.name = "proa-build";
  program.summary = "Build images from Containerfiles, or step by step";
  program.hint = proa::config::hint_for;
  program.commands = {add_verb(),           build_command(), cache_command(),    commit_command(),  config_command(),
                      containers_command(), copy_verb(),     from_command(),     inspect_command(), mount_command(),
                      rename_command(),     rm_command(),    run_command_verb(), umount_command()};
  return proa::cli::run_program(program, argc, argv);
}
