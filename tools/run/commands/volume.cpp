// The group `volume`.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "libcommon/archive/layer_apply.h"
#include "libcommon/archive/layer_make.h"
#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/glob.h"
#include "libcommon/base/json.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/cli/table.h"
#include "libcommon/spec/env_file.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/commands/filters.h"
#include "tools/run/engine/events.h"
#include "tools/run/engine/tar_input.h"
#include "tools/run/engine/user_namespace.h"
#include "tools/run/engine/volumes.h"

namespace proa::commands {
namespace {

using Json = nlohmann::json;
using engine::Volume;
using engine::Volumes;

constexpr int kInUse = 2;  // as podman ends
constexpr int kNotFound = 1;

struct VolumeOptions {
  std::vector<std::string> names, labels, options, filter;
  std::string driver = "local", format, output;
  bool ignore = false, quiet = false, noheading = false, all = false, force = false;
  std::optional<unsigned> uid, gid;
  std::optional<int> timeout;
};
using Builder = cli::CommandBuilder<VolumeOptions>;

Json volume_json(const Volume& volume, std::size_t users) {
  return {{"Name", volume.name},
          {"Driver", "local"},
          {"Mountpoint", volume.data},
          {"CreatedAt", volume.created},
          {"Labels", volume.labels},
          {"Options", volume.options},
          {"Scope", "local"},
          {"Status", Json::object()},
          {"UID", 0},
          {"GID", 0},
          {"Anonymous", volume.anonymous},
          {"MountCount", users},
          {"NeedsCopyUp", !volume.used()},
          {"NeedsChown", !volume.used()},
          {"Timeout", 0},
          {"StorageID", ""},
          {"LockNumber", 0}};
}

int create(cli::Context&, const VolumeOptions& options) {
  if (options.driver != "local") {
    throw Error(ErrorCode::Unsupported, fmt::format("the volume driver '{}' is not supported", options.driver),
                "volumes are folders: use the driver local");
  }
  if (options.uid.value_or(0) != 0 || options.gid.value_or(0) != 0) {
    throw Error(ErrorCode::Unsupported, "--uid and --gid are not supported",
                "a new volume gets the owner of the image's folder, or of the user with the mount option U");
  }
  engine::VolumeRequest request;
  request.anonymous = options.names.empty();
  request.name = request.anonymous ? random_hex(32) : options.names.front();
  for (const auto& text : options.labels) {
    auto label = spec::parse_label(text);
    request.labels[label.key] = label.value;
  }
  for (const auto& text : options.options) {
    const auto pair = cut(text, "=");
    request.options[std::string(pair ? pair->first : text)] = pair ? pair->second : "";
  }
  const auto containers = open_containers();
  const auto [volume, made] = Volumes(containers.paths()).find_or_create(request);
  // docker makes it twice without a word when it is the same; podman refuses unless --ignore.
  const bool same = volume.labels == request.labels && volume.options == request.options;
  if (!made && !options.ignore && !same) {
    throw Error(ErrorCode::AlreadyExists, fmt::format("the volume {} exists, with other options", volume.name),
                "remove it first (`proa volume rm`), or choose another name");
  }
  if (made) engine::log_event(containers.paths(), engine::volume_event(volume.name, "create"));
  print(volume.name + "\n");
  return 0;
}

bool matches(const Volume& volume, bool used, const Filter& filter) {
  const auto& value = filter.value;
  if (filter.key == "name")
    return volume.name.find(value) != std::string::npos || glob_match(value, volume.name).value_or(false);
  if (filter.key == "label") return has_label(volume.labels, value);
  if (filter.key == "driver") return value == "local";
  if (filter.key == "scope") return value == "local";
  if (filter.key == "dangling") return cli::parse_bool(value) != used;
  if (filter.key == "anonymous" || filter.key == "all")
    return filter.key == "all" || cli::parse_bool(value) == volume.anonymous;
  if (filter.key == "opt") return has_label(volume.options, value);
  if (filter.key == "since" || filter.key == "after") return volume.created > value;
  if (filter.key == "until") return before(volume.created, value);
  unknown_filter(filter, "anonymous, dangling, driver, label, name, opt, scope, since, until");
}

std::vector<Filter> filters_of(const std::vector<std::string>& texts, const Volumes& volumes) {
  auto filters = parse_filters(texts);
  for (auto& filter : filters) {
    if (filter.key == "since" || filter.key == "after") filter.value = volumes.get(filter.value).created;
  }
  return filters;
}

int list(cli::Context&, const VolumeOptions& options) {
  const auto containers = open_containers();
  const auto filters = filters_of(options.filter, Volumes(containers.paths()));
  Json rows = Json::array();
  for (const auto& [volume, users] : engine::volume_use(containers)) {
    const bool used = !users.empty();
    if (!pass_all(filters, [&volume = volume, used](const Filter& f) { return matches(volume, used, f); })) continue;
    if (options.quiet && options.format.empty()) {
      print(volume.name + "\n");
      continue;
    }
    Json row = volume_json(volume, users.size());
    row["Size"] = "N/A";
    row["Links"] = "N/A";
    row["Availability"] = row["Group"] = "N/A";
    row["Label"] = volume.labels;
    if (options.format != "json") row["Labels"] = labels_text(volume.labels);
    rows.push_back(std::move(row));
  }
  if (options.quiet && options.format.empty()) return 0;
  const cli::Listing listing{"table {{.Driver}}\t{{.Name}}", {{"Name", "VOLUME NAME"}}};
  print(cli::format_listing(listing, options.format, rows, !options.noheading));
  return 0;
}

int inspect(cli::Context&, const VolumeOptions& options) {
  if (options.names.empty() && !options.all) throw Error(ErrorCode::InvalidArgument, "no volume named");
  const auto containers = open_containers();
  Json objects = Json::array();
  int result = 0;
  const auto use = engine::volume_use(containers);
  const auto add = [&](const std::string& name) {
    const auto found = std::find_if(use.begin(), use.end(), [&](const auto& one) { return one.first.name == name; });
    if (found != use.end()) {
      objects.push_back(volume_json(found->first, found->second.size()));
      return;
    }
    cli::report(Error(ErrorCode::NotFound, fmt::format("no such volume: {}", name)));
    result = 125;
  };
  if (options.all) {
    for (const auto& one : use) add(one.first.name);
  }
  for (const auto& name : options.names) add(name);
  if (!objects.empty() || options.format.empty()) print(cli::format_inspect(options.format, objects));
  if (options.format.empty() || options.format == "json") print("\n");
  return result;
}

int remove(cli::Context&, const VolumeOptions& options) {
  const auto containers = open_containers();
  const Volumes volumes(containers.paths());
  std::vector<std::string> names = options.names;
  const auto use = engine::volume_use(containers);
  if (options.all) {
    for (const auto& one : use) names.push_back(one.first.name);
  }
  if (names.empty() && !options.all) throw Error(ErrorCode::InvalidArgument, "no volume named");
  int result = 0;
  for (const auto& name : names) {
    const auto found = std::find_if(use.begin(), use.end(), [&](const auto& one) { return one.first.name == name; });
    if (found == use.end()) {
      if (options.force) continue;
      cli::report(Error(ErrorCode::NotFound, fmt::format("no such volume: {}", name)));
      if (result == 0) result = kNotFound;
    } else if (!found->second.empty()) {
      std::vector<std::string> ids;
      for (const auto& id : found->second) ids.push_back(id.substr(0, 12));
      cli::report(Error(ErrorCode::InUse, fmt::format("volume {} is in use by {}", name, join(ids, ", ")),
                        "remove these containers first: `proa rm`"));
      result = kInUse;
    } else {
      volumes.remove(name);
      engine::log_event(containers.paths(), engine::volume_event(name, "remove"));
      print(name + "\n");
    }
  }
  return result;
}

int prune(cli::Context&, const VolumeOptions& options) {
  const auto containers = open_containers();
  const auto filters = filters_of(options.filter, Volumes(containers.paths()));
  const bool all = options.all || std::any_of(filters.begin(), filters.end(), [](const Filter& f) {
                     return f.key == "all" && cli::parse_bool(f.value);
                   });
  if (!options.force &&
      !confirmed(all ? "all volumes without a container" : "all anonymous volumes without a container")) {
    return 0;
  }
  std::uint64_t freed = 0;
  const auto removed = engine::prune_volumes(containers, [&](const Volume& volume) {
    const bool wanted =
        (all || volume.anonymous) && pass_all(filters, [&](const Filter& f) { return matches(volume, false, f); });
    if (wanted) freed += tree_size(volume.data);
    return wanted;
  });
  if (!removed.empty()) print("Deleted Volumes:\n" + join(removed, "\n") + "\n\n");
  print(fmt::format("Total reclaimed space: {}\n", human_size(static_cast<double>(freed))));
  return 0;
}

int exists(cli::Context&, const VolumeOptions& options) {
  return Volumes(open_containers().paths()).find(options.names[0]) ? 0 : kNotFound;
}

int mount(cli::Context&, const VolumeOptions& options) {
  const auto containers = open_containers();
  for (const auto& name : options.names) print(Volumes(containers.paths()).get(name).data + "\n");
  return 0;
}

int unmount(cli::Context&, const VolumeOptions& options) {
  const auto containers = open_containers();
  for (const auto& name : options.names) print(Volumes(containers.paths()).get(name).name + "\n");
  return 0;
}

int export_volume(cli::Context&, const VolumeOptions& options) {
  const auto containers = open_containers();
  const Volume volume = Volumes(containers.paths()).get(options.names[0]);
  io::FdSink sink(open_output(options.output), options.output.empty() ? "standard output" : options.output);
  engine::enter_shared_user_namespace(containers.paths(), 0);
  archive::make_layer(os::Dir::open(volume.data), sink, {.whiteouts = archive::WhiteoutStyle::Plain});
  return 0;
}

int import_volume(cli::Context&, const VolumeOptions& options) {
  const auto containers = open_containers();
  const Volume volume = Volumes(containers.paths()).get(options.names[0]);
  const std::string source = options.names.size() > 1 ? options.names[1] : "-";
  engine::TarInput tar(engine::open_archive_file(source), source);
  const auto ids = engine::enter_shared_user_namespace(containers.paths(), 0);
  engine::fill_once(volume.data, [](int) {});
  archive::ApplyOptions how;
  how.mode = ids.mode;
  how.whiteouts = archive::WhiteoutStyle::Plain;
  archive::apply_layer(tar.source(), os::Dir::open(volume.data), how);
  tar.finish();
  return 0;
}

int reload(cli::Context&, const VolumeOptions&) { return 0; }

Builder& names(Builder& b, const char* synopsis, std::size_t least, std::size_t most) {
  return b.positionals(synopsis, &VolumeOptions::names, least, most, cli::Complete::Volume);
}

cli::Command volume_create() {
  auto b = cli::command<VolumeOptions>("create", "Create a volume");
  b.value("driver,d", &VolumeOptions::driver, "local", "DRIVER")
      .value("label,l", &VolumeOptions::labels, "Label of the volume", "NAME[=VALUE]")
      .value("opt,o", &VolumeOptions::options, "Option of the driver: type=, device=, o=", "NAME=VALUE")
      .flag("ignore", &VolumeOptions::ignore, "No error when it exists")
      .value("uid", &VolumeOptions::uid, "Not supported", "UID")
      .hide_last()
      .value("gid", &VolumeOptions::gid, "Not supported", "GID")
      .hide_last()
      .positionals("[NAME]", &VolumeOptions::names, 0, 1);
  for (const char* swarm : {"availability", "group", "limit-bytes", "required-bytes", "scope", "secret", "sharing",
                            "topology-preferred", "topology-required", "type"}) {
    refuse(b, swarm, true, "it is for volumes of a swarm");
  }
  return b.runs(create);
}

cli::Command volume_list() {
  auto b = cli::command<VolumeOptions>("ls", "List volumes");
  b.alias("list")
      .value("filter,f", &VolumeOptions::filter, "Only those that match", "KEY=VALUE")
      .value("format", &VolumeOptions::format, "json, table, or a Go template", "FORMAT")
      .flag("noheading,n", &VolumeOptions::noheading, "No line of headings")
      .flag("quiet,q", &VolumeOptions::quiet, "Names only");
  refuse(b, "cluster", false, "it is for volumes of a swarm");
  return b.runs(list);
}

}  // namespace

cli::Command volume_group() {
  auto inspecting = cli::command<VolumeOptions>("inspect", "Show volumes as JSON");
  inspecting.flag("all,a", &VolumeOptions::all, "All volumes")
      .value("format,f", &VolumeOptions::format, "json, or a Go template", "FORMAT");
  auto removing = cli::command<VolumeOptions>("rm", "Remove volumes");
  removing.alias("remove")
      .flag("all,a", &VolumeOptions::all, "All volumes")
      .flag("force,f", &VolumeOptions::force, "Pass over volumes that are not there")
      .value("time,t", &VolumeOptions::timeout, "Accepted: containers are never stopped for this", "SECONDS")
      .hide_last();
  auto pruning = cli::command<VolumeOptions>("prune", "Remove volumes that no container has");
  pruning.flag("all,a", &VolumeOptions::all, "Also named ones")
      .flag("force,f", &VolumeOptions::force, "Do not ask")
      .value("filter", &VolumeOptions::filter, "Only those that match", "KEY=VALUE");
  auto asking = cli::command<VolumeOptions>("exists", "Say by the exit code whether a volume is there");
  auto mounting = cli::command<VolumeOptions>("mount", "Print where the files of volumes are");
  auto unmounting = cli::command<VolumeOptions>("unmount", "Undo mount, which needs nothing undone");
  unmounting.alias("umount");
  auto exporting = cli::command<VolumeOptions>("export", "Write the files of a volume as a tar archive");
  exporting.value("output,o", &VolumeOptions::output, "File instead of standard output", "FILE", cli::Complete::File);
  auto importing = cli::command<VolumeOptions>("import", "Put the files of a tar archive into a volume");
  auto reloading = cli::command<VolumeOptions>("reload", "Look for volumes of plugins, of which there are none");
  return cli::group("volume", "Manage volumes",
                    {volume_create(), volume_list(), names(inspecting, "[VOLUME...]", 0, cli::kAnyNumber).runs(inspect),
                     names(removing, "[VOLUME...]", 0, cli::kAnyNumber).runs(remove), pruning.runs(prune),
                     names(asking, "VOLUME", 1, 1).runs(exists),
                     names(mounting, "VOLUME [VOLUME...]", 1, cli::kAnyNumber).runs(mount),
                     names(unmounting, "VOLUME [VOLUME...]", 1, cli::kAnyNumber).runs(unmount),
                     names(exporting, "VOLUME", 1, 1).runs(export_volume),
                     names(importing, "VOLUME [FILE|-]", 1, 2).runs(import_volume), reloading.runs(reload)});
}

}  // namespace proa::commands
