#include <algorithm>
#include <string_view>

#include "libcommon/cli/command.h"
#include "libcommon/runtime/self.h"
#include "tools/run/commands/commands.h"
#include "tools/run/oci/oci.h"

namespace {

namespace cmd = proa::commands;

// Verbs after which a process of ours is seen from inside a container.
bool enters_containers(int argc, char** argv) {
  static constexpr std::string_view verbs[] = {"run", "create", "start", "restart", "exec", "unshare"};
  return std::any_of(argv + 1, argv + argc, [](const char* word) {
    return std::find(std::begin(verbs), std::end(verbs), word) != std::end(verbs);
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (auto code = proa::run::oci::run_as_runtime(argc, argv)) return *code;
  if (argc > 1 && enters_containers(argc, argv)) proa::runtime::protect_own_binary(argv);
  const proa::cli::Program program{
      "proa-run",
      "Run containers",
      {cmd::run_command(),     cmd::create_command(),  cmd::start_command(),   cmd::stop_command(),
       cmd::restart_command(), cmd::kill_command(),    cmd::rm_command(),      cmd::wait_command(),
       cmd::pause_command(),   cmd::unpause_command(), cmd::rename_command(),  cmd::ps_command(),
       cmd::port_command(),    cmd::inspect_command(), cmd::logs_command(),    cmd::attach_command(),
       cmd::exec_command(),    cmd::top_command(),     cmd::info_command(),    cmd::version_command(),
       cmd::unshare_command(), cmd::system_group(),    cmd::container_group(), proa::run::oci::oci_command()}};
  return proa::cli::run_program(program, argc, argv);
}
