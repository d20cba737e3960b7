// The groups `system` and `container`: looking after what is kept.
#include <errno.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/table.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/process.h"
#include "libcommon/os/user.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/commands/container_filter.h"
#include "tools/run/engine/health.h"
#include "tools/run/engine/image.h"
#include "tools/run/engine/lifecycle.h"
#include "tools/run/engine/volumes.h"

namespace proa::commands {
namespace {

using Json = nlohmann::json;

struct SystemOptions {
  bool quick = false, repair = false, force = false, all = false, volumes = false, verbose = false;
  std::string format;
  std::vector<std::string> filter;
};

// JSON that `proa-copy VERB` prints.
Json ask_store(std::vector<std::string> words) {
  os::SpawnPlan plan;
  plan.program = engine::sibling_program("proa-copy");
  plan.arguments = std::move(words);
  const auto output = os::run(plan, {}, 16u << 20);
  if (!output.status.success()) {
    const std::string said(trim(output.err));
    throw Error(ErrorCode::Io, fmt::format("the image store: {}", said.empty() ? output.status.text() : said));
  }
  return read_json(output.out);
}

int check(cli::Context&, const SystemOptions& options) {
  const auto containers = open_containers();
  const auto report = engine::check_containers(containers, options.repair);
  for (const auto& line : report.lines) print(escape_control(line) + "\n");

  os::SpawnPlan plan;
  plan.program = engine::sibling_program("proa-copy");
  plan.arguments = {"store-check"};
  if (options.quick) plan.arguments.emplace_back("--quick");
  if (options.repair) plan.arguments.emplace_back("--repair");
  if (options.verbose) plan.arguments.emplace_back("--verbose");
  std::fflush(stdout);
  const int code = os::spawn(plan).wait().to_exit_code();
  if (code == 0 && !report.damage) print("no damage found\n");
  return code != 0 ? code : report.damage ? 1 : 0;
}

int prune(cli::Context&, const SystemOptions& options) {
  const std::string images = options.all ? "all images without a container" : "all dangling images";
  const std::string volumes = options.volumes ? ", all unused volumes" : "";
  const auto containers = open_containers();
  const ContainerFilter filter(containers, options.filter);
  if (!options.force && !confirmed("all stopped containers, " + images + volumes)) return 0;
  std::uint64_t freed = prune_containers(containers, filter);
  if (options.volumes && filter.empty()) {
    engine::prune_volumes(containers, [](const engine::Volume&) { return true; });
  }
  if (!filter.empty()) {  // images have no filters yet: what was not asked for is not removed
    print(fmt::format("Total reclaimed space: {}\n", human_size(static_cast<double>(freed))));
    return 0;
  }
  std::vector<std::string> words{"store-prune"};
  if (options.all) words.emplace_back("--all");
  const Json store = ask_store(std::move(words));
  print(fmt::format("Deleted Images: {}\n", store.at("images").get<std::uint64_t>()));
  freed += store.at("bytes").get<std::uint64_t>();
  print(fmt::format("Total reclaimed space: {}\n", human_size(static_cast<double>(freed))));
  return 0;
}

Json df_row(const char* type, std::uint64_t total, std::uint64_t active, std::uint64_t size,
            std::uint64_t reclaimable) {
  const std::uint64_t percent = size == 0 ? 0 : reclaimable * 100 / size;
  return {{"Type", type},
          {"Total", total},
          {"TotalCount", total},
          {"Active", active},
          {"Size", human_size(static_cast<double>(size))},
          {"RawSize", size},
          {"Reclaimable", fmt::format("{} ({}%)", human_size(static_cast<double>(reclaimable)), percent)},
          {"RawReclaimable", reclaimable}};
}

// The folder of units, and the name of ours in it.
constexpr const char* kUnit = "proa-start-on-boot.service";

os::Path unit_folder() {
  if (::geteuid() == 0) return "/etc/systemd/system";
  const char* config = ::getenv("XDG_CONFIG_HOME");
  const bool given = config != nullptr && *config == '/';
  return os::join(given ? std::string(config) : os::join(os::home_directory(), ".config"), "systemd/user");
}

os::Path wanted_link() {
  const char* target = ::geteuid() == 0 ? "multi-user.target.wants" : "default.target.wants";
  return os::join(os::join(unit_folder(), target), kUnit);
}

// As `systemctl enable` does it: a link in the target's folder.
int enable_boot(cli::Context&, const SystemOptions&) {
  const std::string program = engine::sibling_program("proa-run");
  if (!program.starts_with('/')) throw Error(ErrorCode::NotFound, "cannot find proa-run by its path");
  const std::string text = fmt::format(
      "[Unit]\nDescription=Containers of proa whose restart policy asks for it\n\n"
      "[Service]\nType=oneshot\nRemainAfterExit=yes\nKillMode=process\n"
      "ExecStart={} start --filter should-start-on-boot=true\n\n[Install]\nWantedBy={}\n",
      program, ::geteuid() == 0 ? "multi-user.target" : "default.target");
  const os::Path unit = os::join(unit_folder(), kUnit);
  const os::Path link = wanted_link();
  os::make_dirs(link.substr(0, link.rfind('/')), 0755);
  const auto file = os::open(unit, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  os::write_all(file.get(), text, unit);
  ::unlink(link.c_str());
  if (::symlink(unit.c_str(), link.c_str()) < 0) throw system_error("symlink " + link);
  print(unit + "\n");
  if (::geteuid() != 0) {
    std::fputs("It runs at your login; `loginctl enable-linger` makes it run when the machine starts.\n", stderr);
  }
  return 0;
}

int disable_boot(cli::Context&, const SystemOptions&) {
  for (const auto& path : {wanted_link(), os::join(unit_folder(), kUnit)}) {
    if (::unlink(path.c_str()) < 0 && errno != ENOENT) throw system_error("unlink " + path);
  }
  return 0;
}

int nothing(cli::Context&, const SystemOptions&) { return 0; }

// One table for each kind.
int df_verbose(const engine::Containers& containers, const Json& images) {
  Json rows = Json::array();
  for (const auto& image : images.at("images")) {
    const auto names = image.at("names").get<std::vector<std::string>>();
    rows.push_back({{"Image", names.empty() ? "<none>" : names.front()},
                    {"ID", image.at("id").get<std::string>().substr(0, 12)},
                    {"Size", human_size(image.at("size").get<double>())},
                    {"Containers", image.at("containers")}});
  }
  print("Images space usage:\n\n");
  print(cli::format_listing({"table {{.Image}}\t{{.ID}}\t{{.Size}}\t{{.Containers}}", {{"ID", "IMAGE ID"}}}, "", rows));
  rows = Json::array();
  for (const auto& container : containers.list()) {
    const auto snapshot = engine::look_at(container);
    rows.push_back({{"ID", container.id().substr(0, 12)},
                    {"Image", snapshot.record.image},
                    {"Size", human_size(static_cast<double>(tree_size(container.file("upper"))))},
                    {"Status", engine::status_word(snapshot.status)},
                    {"Names", snapshot.record.name}});
  }
  print("\nContainers space usage:\n\n");
  print(cli::format_listing({"table {{.ID}}\t{{.Image}}\t{{.Size}}\t{{.Status}}\t{{.Names}}", {{"ID", "CONTAINER ID"}}},
                            "", rows));
  rows = Json::array();
  for (const auto& [volume, users] : engine::volume_use(containers)) {
    rows.push_back({{"Name", volume.name},
                    {"Links", users.size()},
                    {"Size", human_size(static_cast<double>(tree_size(volume.data)))}});
  }
  print("\nLocal Volumes space usage:\n\n");
  print(cli::format_listing({"table {{.Name}}\t{{.Links}}\t{{.Size}}", {{"Name", "VOLUME NAME"}}}, "", rows));
  return 0;
}

int df(cli::Context&, const SystemOptions& options) {
  const auto containers = open_containers();
  const Json images = ask_store({"store-df"});
  if (options.verbose && options.format.empty()) return df_verbose(containers, images);
  Json rows = Json::array();
  rows.push_back(
      df_row("Images", images.at("total"), images.at("active"), images.at("size"), images.at("reclaimable")));
  std::uint64_t total = 0, active = 0, size = 0, reclaimable = 0;
  for (const auto& container : containers.list()) {
    const std::uint64_t one = tree_size(container.file("upper"));
    const bool running = engine::look_at(container).running();
    ++total;
    active += running;
    size += one;
    reclaimable += running ? 0 : one;
  }
  rows.push_back(df_row("Containers", total, active, size, reclaimable));
  const auto use = engine::volume_use(containers);
  std::uint64_t volume_size = 0, volume_free = 0, used = 0;
  for (const auto& [volume, users] : use) {
    const std::uint64_t one = tree_size(volume.data);
    volume_size += one;
    volume_free += users.empty() ? one : 0;
    used += !users.empty();
  }
  rows.push_back(df_row("Local Volumes", use.size(), used, volume_size, volume_free));
  const cli::Listing listing{"table {{.Type}}\t{{.Total}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}", {}};
  print(cli::format_listing(listing, options.format, rows));
  return 0;
}

}  // namespace

cli::Command system_group() {
  return cli::group(
      "system", "Check, clean and measure what proa keeps",
      {cli::command<SystemOptions>("check", "Look for damage in images and containers")
           .flag("quick,q", &SystemOptions::quick, "Compare records and fingerprints only")
           .flag("repair,r", &SystemOptions::repair, "Mend what is damaged")
           .flag("verbose,v", &SystemOptions::verbose, "Also what is no damage")
           .runs(check),
       cli::command<SystemOptions>("prune", "Remove what is not in use")
           .flag("force,f", &SystemOptions::force, "Do not ask")
           .flag("all,a", &SystemOptions::all, "Also named images without a container")
           .flag("volumes", &SystemOptions::volumes, "Also volumes without a container")
           .value("filter", &SystemOptions::filter, "Only containers that match", "KEY=VALUE")
           .flag("build", &SystemOptions::quick, "Accepted: leftovers of builds go by themselves")
           .hide_last()
           .flag("external", &SystemOptions::quick, "Accepted: there are none of other programs")
           .hide_last()
           .runs(prune),
       cli::command<SystemOptions>("df", "Say what everything takes")
           .value("format", &SystemOptions::format, "json, table, or a Go template", "FORMAT")
           .flag("verbose,v", &SystemOptions::verbose, "One line for each image, container and volume")
           .runs(df),
       info_command(), events_command(),
       cli::group("start-on-boot", "Start containers by their restart policy when the machine starts",
                  {cli::command<SystemOptions>("enable", "Write a unit for your systemd").runs(enable_boot),
                   cli::command<SystemOptions>("disable", "Remove that unit").runs(disable_boot)}),
       cli::command<SystemOptions>("migrate", "Nothing has to be migrated")
           .value("new-runtime", &SystemOptions::format, "Accepted", "NAME")
           .hide_last()
           .runs(nothing),
       cli::command<SystemOptions>("renumber", "There are no lock numbers").runs(nothing)});
}

}  // namespace proa::commands
