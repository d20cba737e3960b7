// The group `healthcheck`.
#include "tools/run/engine/healthcheck.h"

#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"

namespace proa::commands {
namespace {

struct HealthOptions {
  std::vector<std::string> names;
  bool ignore_result = false;
};

int run(cli::Context&, const HealthOptions& options) {
  const auto containers = open_containers();
  const auto state = engine::run_check(containers, containers.get(options.names[0]));
  const bool good = state.log.back().exit_code == 0;
  if (!good && !options.ignore_result) print(state.status + "\n");
  return good || options.ignore_result ? 0 : 1;
}

}  // namespace

cli::Command healthcheck_group() {
  return cli::group("healthcheck", "Check the health of containers",
                    {cli::command<HealthOptions>("run", "Run the health check of a container now")
                         .flag("ignore-result", &HealthOptions::ignore_result, "End with 0 all the same")
                         .positionals("CONTAINER", &HealthOptions::names, 1, 1, cli::Complete::RunningContainer)
                         .runs(run)});
}

}  // namespace proa::commands
