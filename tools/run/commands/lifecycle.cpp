// stop, kill, rm, wait, pause, unpause, rename: the verbs that act on containers by name.
#include <fmt/format.h>
#include <poll.h>

#include <memory>

#include "libcommon/base/error.h"
#include "libcommon/base/signals.h"
#include "libcommon/os/file.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/engine/lifecycle.h"

namespace proa::commands {
namespace {

struct ManyOptions {
  std::vector<std::string> names, cidfile;
  bool all = false, latest = false, ignore = false, force = false, volumes = false;
  std::optional<int> timeout;
  std::optional<std::string> signal;
};

using Builder = cli::CommandBuilder<ManyOptions>;

void add_selection(Builder& b) {
  b.flag("all,a", &ManyOptions::all, "All containers")
      .flag("latest,l", &ManyOptions::latest, "The container made last")
      .value("cidfile", &ManyOptions::cidfile, "Read an id from a file", "FILE", cli::Complete::File)
      .positionals("CONTAINER [CONTAINER...]", &ManyOptions::names, 0, cli::kAnyNumber, cli::Complete::Container);
}

Selection selection_of(const ManyOptions& options) {
  Selection selection{options.names, options.all, options.latest, options.ignore};
  for (const auto& file : options.cidfile) {
    selection.names.push_back(os::read_fd(os::open_regular(file, 4096).get(), 4096, file));
  }
  if (selection.names.empty() && !options.all && !options.latest) {
    throw Error(ErrorCode::InvalidArgument, "no container named", "name one or more, or use --all");
  }
  return selection;
}

int signal_of(const std::string& text) {
  const auto signal = parse_signal(text);
  if (!signal) throw Error(ErrorCode::InvalidArgument, fmt::format("no such signal: {}", text));
  return *signal;
}

int stop(cli::Context&, const ManyOptions& options) {
  const auto containers = open_containers();
  std::optional<int> signal;
  if (options.signal) signal = signal_of(*options.signal);
  return for_each_at_once(containers, selection_of(options), true, [&](const engine::Container& container) {
    auto stopping =
        std::make_shared<engine::Stopping>(engine::begin_stop(containers, container, options.timeout, signal));
    return [stopping] { stopping->wait(); };
  });
}

int kill(cli::Context&, const ManyOptions& options) {
  const auto containers = open_containers();
  const int signal = signal_of(options.signal.value_or("KILL"));
  return for_each(containers, selection_of(options), true,
                  [&](engine::Container container) { engine::send_signal(containers, container, signal); });
}

int rm(cli::Context&, const ManyOptions& options) {
  const auto containers = open_containers();
  Selection selection = selection_of(options);
  selection.ignore = options.ignore || options.force;
  const engine::RemoveOptions how{options.force, options.volumes, options.timeout.value_or(0)};
  const int result = for_each_at_once(containers, selection, false, [&](engine::Container container) {
    auto removal = std::make_shared<engine::Removal>(engine::begin_remove(containers, std::move(container), how));
    return [&containers, &how, removal] { engine::finish_remove(containers, std::move(*removal), how); };
  });
  containers.sweep();
  return result;
}

int wait(cli::Context&, const ManyOptions& options) {
  const auto containers = open_containers();
  for (const auto& name : options.names) {
    print(fmt::format("{}\n", engine::wait(containers, containers.get(name))));
  }
  return 0;
}

int pause(cli::Context&, const ManyOptions& options) {
  return for_each(open_containers(), selection_of(options), true,
                  [](engine::Container container) { engine::pause(container, true); });
}

int unpause(cli::Context&, const ManyOptions& options) {
  return for_each(open_containers(), selection_of(options), true,
                  [](engine::Container container) { engine::pause(container, false); });
}

int rename(cli::Context&, const ManyOptions& options) {
  const auto containers = open_containers();
  const auto container = containers.get(options.names[0]);
  containers.rename(container, container.record(), options.names[1]);
  return 0;
}

}  // namespace

cli::Command stop_command() {
  return cli::command<ManyOptions>("stop", "Stop containers")
      .value("time,t", &ManyOptions::timeout, "Seconds before killing, -1 for never", "SECONDS")
      .value("timeout", &ManyOptions::timeout, "The same", "SECONDS")
      .hide_last()
      .value("signal,s", &ManyOptions::signal, "Signal to begin with", "SIGNAL")
      .flag("ignore,i", &ManyOptions::ignore, "Pass over containers that are not there")
      .with(add_selection)
      .runs(stop);
}

cli::Command kill_command() {
  return cli::command<ManyOptions>("kill", "Send a signal to containers")
      .value("signal,s", &ManyOptions::signal, "Signal (default KILL)", "SIGNAL")
      .with(add_selection)
      .runs(kill);
}

cli::Command rm_command() {
  return cli::command<ManyOptions>("rm", "Remove containers")
      .flag("force,f", &ManyOptions::force, "Stop those that run; pass over those that are not there")
      .flag("volumes,v", &ManyOptions::volumes, "Remove their anonymous volumes as well")
      .flag("ignore,i", &ManyOptions::ignore, "Pass over containers that are not there")
      .value("time,t", &ManyOptions::timeout, "With --force: seconds before killing (default 0)", "SECONDS")
      .with(add_selection)
      .runs(rm);
}

cli::Command wait_command() {
  return cli::command<ManyOptions>("wait", "Wait until containers end and print their exit codes")
      .positionals("CONTAINER [CONTAINER...]", &ManyOptions::names, 1, cli::kAnyNumber, cli::Complete::Container)
      .runs(wait);
}

cli::Command pause_command() {
  return cli::command<ManyOptions>("pause", "Freeze the processes of containers").with(add_selection).runs(pause);
}

cli::Command unpause_command() {
  return cli::command<ManyOptions>("unpause", "Thaw the processes of containers").with(add_selection).runs(unpause);
}

cli::Command rename_command() {
  return cli::command<ManyOptions>("rename", "Rename a container")
      .positionals("CONTAINER NAME", &ManyOptions::names, 2, 2, cli::Complete::Container)
      .runs(rename);
}

}  // namespace proa::commands
