#include "tools/run/commands/common.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/paths.h"

namespace proa::commands {

engine::Containers open_containers() {
  config::Paths paths = config::find_paths();
  paths.make();
  paths.export_to_environment();
  return engine::Containers(std::move(paths));
}

namespace {

// The one made last.
std::optional<engine::Container> latest(const engine::Containers& containers) {
  std::optional<engine::Container> newest;
  std::string newest_time;
  for (auto& container : containers.list()) {
    const auto snapshot = engine::look_at(container);
    if (newest && snapshot.record.created <= newest_time) continue;
    newest_time = snapshot.record.created;
    newest.emplace(std::move(container));
  }
  return newest;
}

}  // namespace

int for_each(const engine::Containers& containers, const Selection& selection, bool running_only,
             const std::function<void(engine::Container)>& action) {
  int result = 0;
  const auto act = [&](const std::string& name, auto get) {
    try {
      action(get());
      print(escape_control(name) + "\n");
    } catch (const Error& error) {
      if (error.code() == ErrorCode::NotFound && selection.ignore) return;
      cli::report(error);
      result = error.code() == ErrorCode::NotFound && result != 125 ? 1 : 125;
    }
  };
  for (const auto& name : selection.names) act(name, [&] { return containers.get(name); });
  if (selection.latest) {
    auto container = latest(containers);
    if (container) act(container->id(), [&] { return std::move(*container); });
  }
  if (selection.all) {
    for (auto& container : containers.list()) {
      if (running_only && !engine::look_at(container).active()) continue;
      const std::string id = container.id();
      act(id, [&] { return std::move(container); });
    }
  }
  return result;
}

int report_failure(const monitor::Failure& failure) {
  cli::report(Error(ErrorCode::Io, failure.text, failure.hint));
  return failure.exit_code;
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void not_supported(const std::string& flag, const std::string& what_to_do) {
  throw Error(ErrorCode::Unsupported, fmt::format("--{} is not supported yet", split(flag, ',').front()), what_to_do);
}

}  // namespace proa::commands
