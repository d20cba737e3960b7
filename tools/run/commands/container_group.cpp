// The group `container`: the verbs of containers, and those that there are in this group only.
#include <fmt/core.h>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/commands/container_filter.h"
#include "tools/run/engine/lifecycle.h"

namespace proa::commands {
namespace {

struct Options {
  std::vector<std::string> words, filter;
  bool all = false, latest = false, force = false, external = false;
};

int exists(cli::Context&, const Options& options) { return open_containers().find(options.words[0]) ? 0 : 1; }

// Everything is made at creation; what a start makes lasts as long as its run.
int init(cli::Context&, const Options& options) {
  const auto containers = open_containers();
  return for_each(containers, {options.words, options.all, options.latest}, false, [](const engine::Container& one) {
    const auto snapshot = engine::look_at(one);
    if (snapshot.active()) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("container {} is running", snapshot.record.name));
    }
  });
}

int prune(cli::Context&, const Options& options) {
  const auto containers = open_containers();
  const ContainerFilter filter(containers, options.filter);
  if (!options.force && !confirmed("all stopped containers")) return 0;
  const std::uint64_t freed = prune_containers(containers, filter);
  print(fmt::format("Total reclaimed space: {}\n", human_size(static_cast<double>(freed))));
  return 0;
}

cli::Command refused(const char* name, const char* why) {
  return cli::command<Options>(name, "Not supported")
      .hidden()
      .positionals("[ARG...]", &Options::words, 0, cli::kAnyNumber)
      .options_end_at_first_positional()
      .runs([name, why](cli::Context&, const Options&) -> int {
        throw Error(ErrorCode::Unsupported, fmt::format("container {} is not supported", name), why);
      });
}

}  // namespace

std::uint64_t prune_containers(const engine::Containers& containers, const ContainerFilter& filter) {
  std::uint64_t freed = 0;
  bool any = false;
  for (auto& container : containers.list()) {
    const auto snapshot = engine::look_at(container);
    if (snapshot.active() || container.alive() || !filter.passes(snapshot)) continue;
    const std::uint64_t size = tree_size(container.path());
    const std::string id = container.id();
    engine::remove(containers, std::move(container), {});
    freed += size;
    if (!any) print("Deleted Containers:\n");
    any = true;
    print(id + "\n");
  }
  containers.sweep();
  return freed;
}

cli::Command init_command() {
  return cli::command<Options>("init", "Make ready for a start, which containers are when they were created")
      .flag("all,a", &Options::all, "All containers")
      .flag("latest,l", &Options::latest, "The container made last")
      .positionals("[CONTAINER...]", &Options::words, 0, cli::kAnyNumber, cli::Complete::Container)
      .runs(init);
}

cli::Command prune_command() {
  return cli::command<Options>("prune", "Remove all stopped containers")
      .flag("force,f", &Options::force, "Do not ask")
      .value("filter", &Options::filter, "Only those that match", "KEY=VALUE")
      .runs(prune);
}

cli::Command container_group() {
  std::vector<cli::Command> verbs{run_command(),     create_command(),
                                  start_command(),   stop_command(),
                                  restart_command(), kill_command(),
                                  rm_command(),      wait_command(),
                                  pause_command(),   unpause_command(),
                                  rename_command(),  ps_command(),
                                  port_command(),    container_inspect_command(),
                                  logs_command(),    attach_command(),
                                  exec_command(),    top_command(),
                                  prune_command(),   cp_command(),
                                  diff_command(),    export_command(),
                                  commit_command(),  mount_command(),
                                  unmount_command(), stats_command(),
                                  update_command(),  init_command()};
  verbs.push_back(cli::command<Options>("exists", "Say by the exit code whether a container is there")
                      .flag("external", &Options::external, "Accepted: there are no containers of other programs")
                      .hide_last()
                      .positionals("CONTAINER", &Options::words, 1, 1, cli::Complete::Container)
                      .runs(exists));
  constexpr const char* kCriu = "processes cannot be kept on disk without root and criu; stop the container instead";
  verbs.push_back(refused("checkpoint", kCriu));
  verbs.push_back(refused("restore", kCriu));
  verbs.push_back(refused("clone", "run the command of `proa inspect --format '{{.Config.CreateCommand}}'` again"));
  verbs.push_back(refused("runlabel", "read the label with `proa image inspect` and run it yourself"));
  verbs.push_back(cli::command<Options>("cleanup", "Nothing is left to be cleaned up")
                      .hidden()
                      .positionals("[CONTAINER...]", &Options::words, 0, cli::kAnyNumber)
                      .options_end_at_first_positional()
                      .runs([](cli::Context&, const Options&) { return 0; }));
  return cli::group("container", "Manage containers", std::move(verbs));
}

}  // namespace proa::commands
