#include "libcommon/cli/command.h"
#include "tools/run/oci/oci.h"

int main(int argc, char** argv) {
  if (auto code = proa::run::oci::run_as_runtime(argc, argv)) return *code;
  proa::cli::Program program{"proa-run", "run containers", {proa::run::oci::oci_command()}};
  return proa::cli::run_program(program, argc, argv);
}
