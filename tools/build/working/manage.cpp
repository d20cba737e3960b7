// containers, rm, rename, inspect, mount, umount.
#include <fmt/core.h>

#include <sys/mount.h>
#include <sys/stat.h>

#include "libcommon/base/json.h"

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/table.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/mount.h"
#include "libcommon/store/lease.h"
#include "tools/build/working/verbs.h"
#include "tools/build/working/work_session.h"

namespace proa::build {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct ManageOptions : PlaceOptions {
  std::vector<std::string> positionals, filters;
  std::string format, type = "container";
  bool all = false, json = false, quiet = false, no_heading = false, no_trunc = false;
};

bool fits(const WorkingContainer& container, const std::vector<std::string>& filters) {
  for (const std::string& filter : filters) {
    auto pair = cut(filter, "=");
    std::string key(pair ? pair->first : std::string_view(filter)), value(pair ? pair->second : std::string_view());
    if (key == "name") {
      if (container.name.find(value) == std::string::npos) return false;
    } else if (key == "id") {
      if (!container.id.starts_with(value)) return false;
    } else if (key == "ancestor") {
      if (container.image != value && !container.image_id.starts_with(value)) return false;
    } else {
      throw Error(ErrorCode::InvalidArgument, fmt::format("invalid filter '{}'", escape_control(filter)),
                  "known are name, id and ancestor");
    }
  }
  return true;
}

cli::ExitCode list(cli::Context&, const ManageOptions& options) {
  WorkSession work(options);
  nlohmann::json rows = nlohmann::json::array();
  OrderedJson objects = OrderedJson::array();
  for (const WorkingContainer& container : work.containers().list()) {
    if (!fits(container, options.filters)) continue;
    std::string image = container.image.empty() ? "scratch" : container.image;
    objects.push_back({{"id", container.id},
                       {"builder", true},
                       {"imageid", container.image_id},
                       {"imagename", image},
                       {"containername", container.name}});
    rows.push_back({{"ContainerID", options.no_trunc ? container.id : container.id.substr(0, 12)},
                    {"Builder", "   *"},
                    {"ImageID", container.image_id.substr(0, options.no_trunc ? std::string::npos : 12)},
                    {"ImageName", image},
                    {"ContainerName", container.name}});
  }
  if (options.json || options.format == "json") {
    fmt::print("{}\n", objects.dump(4));
  } else if (options.quiet) {
    for (const auto& object : objects) fmt::print("{}\n", object["id"].get<std::string>());
  } else {
    cli::Listing listing{"table {{.ContainerID}}\t{{.Builder}}\t{{.ImageID}}\t{{.ImageName}}\t{{.ContainerName}}",
                         {{"ContainerID", "CONTAINER ID"},
                          {"ImageID", "IMAGE ID"},
                          {"ImageName", "IMAGE NAME"},
                          {"ContainerName", "CONTAINER NAME"}}};
    fmt::print("{}", cli::format_listing(listing, options.format, rows, !options.no_heading));
  }
  return 0;
}

void remove_one(WorkSession& work, const std::string& name) {
  WorkingContainer& container = work.open(name);
  std::string id = container.id;
  work.containers().remove(container);
  store::remove_use(work.session().store(), "working-" + id);
  fmt::print("{}\n", id);
}

cli::ExitCode remove(cli::Context&, const ManageOptions& options) {
  WorkSession work(options);
  // Files of subordinate ids can be removed inside only.
  work.session().enter();
  std::vector<std::string> names = options.positionals;
  if (options.all) {
    for (const WorkingContainer& container : work.containers().list()) names.push_back(container.id);
  } else if (names.empty()) {
    throw Error(ErrorCode::InvalidArgument, "container ID must be specified");
  }
  for (const std::string& name : names) remove_one(work, name);
  return 0;
}

cli::ExitCode rename(cli::Context&, const ManageOptions& options) {
  WorkSession work(options);
  work.containers().rename(work.open(options.positionals[0]), options.positionals[1]);
  return 0;
}

cli::ExitCode inspect(cli::Context&, const ManageOptions& options) {
  WorkSession work(options);
  const std::string& name = options.positionals[0];
  oci::ImageConfig config;
  OrderedJson object;
  if (options.type == "image") {
    store::StoredImage image = work.session().store().get(name);
    config = work.session().store().config(image);
    object = {{"Type", "buildah 0.0.1"},
              {"FromImage", name},
              {"FromImageID", image.id.hex()},
              {"FromImageDigest", image.manifest.digest.str()}};
  } else {
    WorkingContainer container = work.containers().find(name);
    config = container.config;
    object = {{"Type", "buildah 0.0.1"},           {"FromImage", container.image},
              {"FromImageID", container.image_id}, {"Container", container.name},
              {"ContainerID", container.id},       {"ImageAnnotations", container.annotations}};
  }
  object["OCIv1"] = OrderedJson::parse(oci::ImageConfig::encode(config).raw);
  object["Docker"] = object["OCIv1"];
  nlohmann::json plain = nlohmann::json::parse(object.dump());
  fmt::print("{}", options.format.empty() ? object.dump(4) + "\n"
                                          : cli::format_inspect(options.format, nlohmann::json::array({plain})));
  return 0;
}

cli::ExitCode mount(cli::Context&, const ManageOptions& options) {
  WorkSession work(options);
  WorkingContainers& containers = work.containers();
  if (options.positionals.empty()) {
    for (const WorkingContainer& container : containers.list()) {
      os::Path path = containers.mount_point(container);
      if (is_mounted(path)) fmt::print("{} {}\n", container.name, path);
    }
    return 0;
  }
  work.session().stay();
  for (const std::string& name : options.positionals) {
    WorkingContainer& container = work.open(name);
    os::Path path = containers.mount_point(container);
    if (!is_mounted(path)) {
      WorkRoot root =
          work.session().open_root_at(work.base(), {}, containers.upper(container), containers.work(container));
      os::attach_mount(root.mount.get(), os::open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW).get(), path);
    }
    if (options.positionals.size() > 1) {
      fmt::print("{} {}\n", name, path);
    } else {
      fmt::print("{}\n", path);
    }
  }
  return 0;
}

cli::ExitCode unmount(cli::Context&, const ManageOptions& options) {
  WorkSession work(options);
  std::vector<std::string> names = options.positionals;
  if (options.all) {
    for (const WorkingContainer& container : work.containers().list()) names.push_back(container.id);
  } else if (names.empty()) {
    throw Error(ErrorCode::InvalidArgument, "at least one container ID must be specified");
  }
  work.session().stay();
  for (const std::string& name : names) {
    WorkingContainer container = work.containers().find(name);
    os::Path path = work.containers().mount_point(container);
    if (!is_mounted(path)) continue;
    os::detach_mount(path, UMOUNT_NOFOLLOW);
    fmt::print("{}\n", container.id);
  }
  return 0;
}

cli::CommandBuilder<ManageOptions> verb(const char* name, const char* summary) {
  auto builder = cli::command<ManageOptions>(name, summary);
  builder.with(declare_places<ManageOptions>);
  return builder;
}

using O = ManageOptions;

}  // namespace

cli::Command containers_command() {
  return verb("containers", "List working containers")
      .alias("list")
      .alias("ls")
      .alias("ps")
      .flag("all,a", &O::all, "All of them (always so)")
      .value("filter,f", &O::filters, "Only what fits: name, id, ancestor", "KEY=VALUE")
      .value("format", &O::format, "Template of a row, or json", "TEMPLATE")
      .flag("json", &O::json, "As JSON")
      .flag("noheading,n", &O::no_heading, "Without a header")
      .flag("notruncate", &O::no_trunc, "Whole ids")
      .flag("quiet,q", &O::quiet, "Ids only")
      .runs(list);
}

cli::Command rm_command() {
  return verb("rm", "Remove working containers")
      .alias("delete")
      .positionals("[CONTAINER...]", &O::positionals, 0, cli::kAnyNumber)
      .flag("all,a", &O::all, "All of them")
      .runs(remove);
}

cli::Command rename_command() {
  return verb("rename", "Give a working container another name")
      .positionals("CONTAINER NAME", &O::positionals, 2, 2)
      .runs(rename);
}

cli::Command inspect_command() {
  return verb("inspect", "Show the configuration of a working container or image")
      .positionals("NAME", &O::positionals, 1, 1)
      .value("format,f", &O::format, "Go template", "TEMPLATE")
      .value("type,t", &O::type, "container or image", "TYPE")
      .runs(inspect);
}

cli::Command mount_command() {
  return verb("mount", "Mount working containers, and print where")
      .positionals("[CONTAINER...]", &O::positionals, 0, cli::kAnyNumber)
      .runs(mount);
}

cli::Command umount_command() {
  return verb("umount", "Unmount working containers")
      .alias("unmount")
      .positionals("[CONTAINER...]", &O::positionals, 0, cli::kAnyNumber)
      .flag("all,a", &O::all, "All of them")
      .runs(unmount);
}

}  // namespace proa::build
