#include <algorithm>
#include <string_view>

#include "tools/copy/commands.h"

namespace {

// The verbs that skopeo has end with its exit codes, the others with podman's.
bool is_skopeo_verb(std::string_view verb) {
  static constexpr std::string_view verbs[] = {
      "copy",      "delete",          "generate-sigstore-key", "inspect",
      "list-tags", "manifest-digest", "standalone-sign",       "standalone-verify"};
  return std::find(std::begin(verbs), std::end(verbs), verb) != std::end(verbs);
}

}  // namespace

int main(int argc, char** argv) {
  proa::cli::Program program;
  program.name = "proa-copy";
  program.summary = "Copy, inspect and manage container images";
  program.commands = proa::copy::commands();
  const bool skopeo = argc > 1 && is_skopeo_verb(argv[1]);
  program.usage_error = program.failure = skopeo ? 1 : 125;
  return proa::cli::run_program(program, argc, argv);
}
