#include "libcommon/cli/command.h"
#include "libcommon/runtime/self.h"
#include "tools/build/commands/build.h"
#include "tools/build/commands/cache.h"

int main(int argc, char** argv) {
  proa::runtime::protect_own_binary(argv);
  proa::cli::Program program;
  program.name = "proa-build";
  program.summary = "Build images from Containerfiles";
  program.commands = {proa::build::build_command(), proa::build::cache_command()};
  program.usage_error = 2;
  program.failure = 1;
  return proa::cli::run_program(program, argc, argv);
}
