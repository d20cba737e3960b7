// stop, kill, rm, wait, pause, unpause, rename: the verbs that act on containers by name.
#include <fmt/core.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "libcommon/base/error.h"
#include "libcommon/base/signals.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/os/file.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/engine/events.h"
#include "tools/run/engine/lifecycle.h"

namespace proa::commands {
namespace {

struct ManyOptions {
  std::vector<std::string> names, cidfile, filter;
  bool all = false, latest = false, ignore = false, force = false, volumes = false, depend = false;
  std::optional<int> timeout;
  std::optional<std::string> signal;
};

using Builder = cli::CommandBuilder<ManyOptions>;

void add_selection(Builder& b, const char* filter = "filter,f") {
  b.flag("all,a", &ManyOptions::all, "All containers")
      .flag("latest,l", &ManyOptions::latest, "The container made last")
      .value(filter, &ManyOptions::filter, "All that match", "KEY=VALUE")
      .value("cidfile", &ManyOptions::cidfile, "Read an id from a file", "FILE", cli::Complete::File)
      .positionals("CONTAINER [CONTAINER...]", &ManyOptions::names, 0, cli::kAnyNumber, cli::Complete::Container);
}

Selection selection_of(const ManyOptions& options) {
  Selection selection{options.names, options.all, options.latest, options.ignore, options.filter};
  for (const auto& file : options.cidfile) {
    selection.names.push_back(os::read_fd(os::open_regular(file, 4096).get(), 4096, file));
  }
  if (selection.names.empty() && !options.all && !options.latest && options.filter.empty()) {
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

struct WaitOptions {
  std::vector<std::string> names, conditions;
  std::string interval = "250ms";
  bool ignore = false, latest = false, first = false;
};

std::chrono::milliseconds interval_of(const std::string& text) {
  if (const auto number = parse_integer<int>(text); number && *number > 0) return std::chrono::milliseconds(*number);
  const auto duration = parse_go_duration(text);
  if (!duration || duration->count() <= 0) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--interval={}: not a duration", text), "write 250ms or 2s");
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(*duration);
}

bool is_condition(const std::string& text) {
  static constexpr std::array kKnown = {"configured", "created", "exited",  "healthy",  "initialized", "paused",
                                        "removing",   "running", "stopped", "stopping", "unhealthy"};
  return std::find(kKnown.begin(), kKnown.end(), text) != kKnown.end();
}

bool holds(const engine::Snapshot& snapshot, const std::string& condition) {
  if (condition == "healthy" || condition == "unhealthy") {
    return snapshot.health && snapshot.health->status == condition;
  }
  const auto word = engine::status_word(snapshot.status);
  if (condition == "stopped" || condition == "exited") return word == "exited";
  if (condition == "configured" || condition == "initialized") return word == "created";
  return word == condition;
}

// One look at a container: its exit code, -1 for a condition that has none, nullopt while no condition holds.
std::optional<int> look_for(const engine::Containers& containers, const std::string& id, const WaitOptions& options) {
  const auto container = containers.find(id);
  if (!container) return -1;  // it is gone: nothing more will happen
  const auto snapshot = engine::look_at(*container);
  for (const auto& condition : options.conditions) {
    if (!holds(snapshot, condition)) continue;
    return snapshot.exit && !snapshot.active() ? snapshot.exit->exit_code : -1;
  }
  return std::nullopt;
}

void wait_for_conditions(const engine::Containers& containers, const std::vector<std::string>& ids,
                         const WaitOptions& options) {
  const auto interval = static_cast<int>(interval_of(options.interval).count());
  std::map<std::string, std::optional<int>> results;
  for (;;) {
    std::size_t met = 0;
    for (const auto& id : ids) {
      auto& result = results[id];
      if (!result) result = look_for(containers, id, options);
      if (result && options.first) return print(fmt::format("{}\n", *result));
      met += result.has_value();
    }
    if (met == ids.size()) break;
    ::poll(nullptr, 0, interval);
  }
  for (const auto& id : ids) print(fmt::format("{}\n", *results[id]));
}

int wait(cli::Context&, const WaitOptions& options) {
  for (const auto& condition : options.conditions) {
    if (is_condition(condition)) continue;
    throw Error(ErrorCode::InvalidArgument, fmt::format("--condition={}: unknown", condition),
                "use created, exited, healthy, paused, running, stopped or unhealthy");
  }
  interval_of(options.interval);
  const auto containers = open_containers();
  std::vector<std::string> ids;
  if (options.latest) ids.push_back(get_latest(containers).id());
  for (const auto& name : options.names) {
    const auto container = containers.find(name);
    if (container) {
      ids.push_back(container->id());
    } else if (options.ignore) {
      print("-1\n");
    } else {
      containers.get(name);  // throws
    }
  }
  if (ids.empty() && !options.ignore) throw Error(ErrorCode::InvalidArgument, "no container named");
  if (!options.conditions.empty() || options.first) {
    WaitOptions wanted = options;
    if (wanted.conditions.empty()) wanted.conditions = {"stopped"};
    wait_for_conditions(containers, ids, wanted);
    return 0;
  }
  for (const auto& id : ids) print(fmt::format("{}\n", engine::wait(containers, containers.get(id))));
  return 0;
}

int pause(cli::Context&, const ManyOptions& options) {
  const auto containers = open_containers();
  return for_each(containers, selection_of(options), true, [&](const engine::Container& container) {
    engine::pause(container, true);
    engine::log_event(containers.paths(), engine::container_event(container.record(), "pause"));
  });
}

int unpause(cli::Context&, const ManyOptions& options) {
  const auto containers = open_containers();
  return for_each(containers, selection_of(options), true, [&](const engine::Container& container) {
    engine::pause(container, false);
    engine::log_event(containers.paths(), engine::container_event(container.record(), "unpause"));
  });
}

int rename(cli::Context&, const ManyOptions& options) {
  const auto containers = open_containers();
  const auto container = containers.get(options.names[0]);
  containers.rename(container, container.record(), options.names[1]);
  engine::log_event(containers.paths(), engine::container_event(container.record(), "rename"));
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
      .with([](Builder& b) { add_selection(b); })
      .runs(stop);
}

cli::Command kill_command() {
  return cli::command<ManyOptions>("kill", "Send a signal to containers")
      .value("signal,s", &ManyOptions::signal, "Signal (default KILL)", "SIGNAL")
      .with([](Builder& b) { add_selection(b); })
      .runs(kill);
}

cli::Command rm_command() {
  return cli::command<ManyOptions>("rm", "Remove containers")
      .flag("force,f", &ManyOptions::force, "Stop those that run; pass over those that are not there")
      .flag("volumes,v", &ManyOptions::volumes, "Remove their anonymous volumes as well")
      .flag("ignore,i", &ManyOptions::ignore, "Pass over containers that are not there")
      .value("time,t", &ManyOptions::timeout, "With --force: seconds before killing (default 0)", "SECONDS")
      .flag("depend", &ManyOptions::depend, "Accepted: nothing depends on a container")
      .hide_last()
      .with([](Builder& b) { add_selection(b, "filter"); })
      .runs(rm);
}

cli::Command wait_command() {
  return cli::command<WaitOptions>("wait", "Wait until containers end and print their exit codes")
      .value("condition", &WaitOptions::conditions, "Wait for healthy, running, stopped, ... instead", "CONDITION")
      .value("interval,i", &WaitOptions::interval, "Time between two looks (default 250ms)", "DURATION")
      .flag("ignore", &WaitOptions::ignore, "Print -1 for containers that are not there")
      .flag("exit-first-match", &WaitOptions::first, "End with the first container for which a condition holds")
      .flag("latest,l", &WaitOptions::latest, "The container made last")
      .positionals("[CONTAINER...]", &WaitOptions::names, 0, cli::kAnyNumber, cli::Complete::Container)
      .runs(wait);
}

cli::Command pause_command() {
  return cli::command<ManyOptions>("pause", "Freeze the processes of containers")
      .with([](Builder& b) { add_selection(b); })
      .runs(pause);
}

cli::Command unpause_command() {
  return cli::command<ManyOptions>("unpause", "Thaw the processes of containers")
      .with([](Builder& b) { add_selection(b); })
      .runs(unpause);
}

cli::Command rename_command() {
  return cli::command<ManyOptions>("rename", "Rename a container")
      .positionals("CONTAINER NAME", &ManyOptions::names, 2, 2, cli::Complete::Container)
      .runs(rename);
}

}  // namespace proa::commands
