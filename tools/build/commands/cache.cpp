#include "tools/build/commands/cache.h"

#include <fmt/core.h>

#include "libcommon/base/bytes.h"
#include "libcommon/base/json.h"
#include "libcommon/cli/table.h"
#include "libcommon/config/paths.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/lock.h"
#include "libcommon/store/gc.h"
#include "libcommon/store/store.h"
#include "libcommon/store/writer.h"

namespace proa::build {
namespace {

struct CacheOptions {
  std::optional<std::string> root, runroot;
  std::string format;
  bool all = false, force = false;
};

config::Paths paths_of(const CacheOptions& options) {
  config::Paths paths = config::find_paths({options.root, options.runroot});
  paths.export_to_environment();
  return paths;
}

cli::ExitCode list(cli::Context&, const CacheOptions& options) {
  nlohmann::json rows = nlohmann::json::array();
  if (auto store = store::Store::try_open(paths_of(options).data)) {
    for (const auto& [key, image] : store->list_cached()) {
      rows.push_back({{"Key", key.substr(0, 12)},
                      {"ID", image.id.digest().short_id()},
                      {"Created", image.created.value_or("")},
                      {"Size", human_size(static_cast<double>(image.size))}});
    }
  }
  cli::Listing listing{"table {{.Key}}\t{{.ID}}\t{{.Created}}\t{{.Size}}", {{"ID", "IMAGE ID"}}};
  fmt::print("{}", cli::format_listing(listing, options.format, rows));
  return 0;
}

// Folders of RUN --mount=type=cache, but for those that a step has mounted now. Locks are never unlinked.
void remove_cache_mounts(const os::Path& folder) {
  if (!os::exists(folder)) return;
  for (const std::string& name : os::list_dir(folder)) {
    if (name.ends_with(".lock")) continue;
    os::Path path = os::join(folder, name);
    if (os::FileLock::try_acquire(path + ".lock", os::FileLock::Mode::Exclusive)) os::remove_tree(path);
  }
}

cli::ExitCode prune(cli::Context&, const CacheOptions& options) {
  config::Paths paths = paths_of(options);
  store::GcReport report;
  // Files of subordinate ids can be removed inside only.
  os::enter_user_namespace(os::plan_user_namespace());
  remove_cache_mounts(os::join(paths.cache, "build"));
  if (auto store = store::Store::try_open(paths.data)) {
    store::remove_cached(*store, {});
    report = store::collect(*store);
  }
  fmt::print("Total reclaimed space: {}\n", human_size(static_cast<double>(report.bytes)));
  return 0;
}

cli::CommandBuilder<CacheOptions> command_with_paths(std::string name, std::string summary) {
  return cli::command<CacheOptions>(std::move(name), std::move(summary))
      .value("root", &CacheOptions::root, "Where images are kept", "PATH", cli::Complete::Directory)
      .value("runroot", &CacheOptions::runroot, "Where running state is kept", "PATH", cli::Complete::Directory);
}

}  // namespace

cli::Command cache_command() {
  return cli::group("cache", "Steps of earlier builds that are kept",
                    {command_with_paths("ls", "List kept steps")
                         .alias("list")
                         .value("format", &CacheOptions::format, "Template of a row, or json", "TEMPLATE")
                         .runs(list),
                     command_with_paths("prune", "Remove all kept steps, and what only they need")
                         .flag("all,a", &CacheOptions::all, "Remove all of them (always so)")
                         .flag("force,f", &CacheOptions::force, "Do not ask (never asked)")
                         .runs(prune)});
}

}  // namespace proa::build
