// diff, export, mount, unmount: the files of a container as a whole.
#include <fmt/core.h>
#include <sys/mount.h>
#include <unistd.h>

#include "libcommon/archive/layer_make.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/mount.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/engine/changes.h"
#include "tools/run/engine/image.h"
#include "tools/run/engine/root_view.h"

namespace proa::commands {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct FileOptions {
  std::vector<std::string> names;
  std::string format, output;
  bool latest = false, all = false, force = false, no_trunc = false;
};

engine::Container one_of(const engine::Containers& containers, const FileOptions& options) {
  if (options.latest) return get_latest(containers);
  if (options.names.empty()) throw Error(ErrorCode::InvalidArgument, "no container named");
  return containers.get(options.names.front());
}

// What a run puts there for itself.
std::vector<std::string> mount_points(const engine::ContainerRecord& record) {
  std::vector<std::string> paths{"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev",
                                 "/proc",      "/sys",          "/run/secrets"};
  for (const auto& mount : record.mounts) paths.push_back(mount.destination);
  return paths;
}

void print_changes(const std::vector<engine::Change>& changes, bool as_json) {
  if (!as_json) {
    for (const auto& change : changes) print(fmt::format("{} {}\n", change.kind, escape_control(change.path)));
    return;
  }
  OrderedJson json = OrderedJson::object();
  for (const auto& [kind, name] : {std::pair('C', "changed"), {'A', "added"}, {'D', "deleted"}}) {
    for (const auto& change : changes) {
      if (change.kind == kind) json[name].push_back(change.path);
    }
  }
  print(json_text(json, 4) + "\n");
}

// Of images it is the other program's.
[[noreturn]] void diff_images(const FileOptions& options) {
  const std::string program = engine::sibling_program("proa-copy");
  std::vector<std::string> words{program, "image", "diff"};
  if (!options.format.empty()) words.push_back("--format=" + options.format);
  words.emplace_back("--");
  words.insert(words.end(), options.names.begin(), options.names.end());
  exec_program(program, std::move(words));
}

int diff(cli::Context&, const FileOptions& options) {
  if (!options.format.empty() && options.format != "json") {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--format={}: only json is known", options.format));
  }
  const auto containers = open_containers();
  if (!options.latest && !options.names.empty() && !containers.find(options.names.front())) diff_images(options);
  const auto container = one_of(containers, options);
  const auto record = container.record();
  const auto ids = engine::enter_for(containers, {});
  const os::Dir lower = engine::open_lower_view(containers, container, ids);
  const auto changes = engine::find_changes(os::Dir::open(container.file("upper")), lower, mount_points(record));
  print_changes(changes, options.format == "json");
  return 0;
}

int export_files(cli::Context&, const FileOptions& options) {
  const auto containers = open_containers();
  const auto container = one_of(containers, options);
  io::FdSink sink(open_output(options.output), options.output.empty() ? "standard output" : options.output);
  const auto ids = engine::enter_for(containers, {&container});
  const engine::RootView view(containers, container, ids, engine::RootView::Mounts::Without);
  archive::make_layer(view.root(), sink, {.whiteouts = archive::WhiteoutStyle::Plain});
  return 0;
}

os::Path mounts_folder(const engine::Containers& containers) {
  return os::join(containers.paths().run, "container-mounts");
}

// Those of this mount namespace: the kernel knows.
std::vector<std::string> mounted_ids(const engine::Containers& containers) {
  constexpr std::uint64_t kMax = 64 << 20;
  const std::string prefix = mounts_folder(containers) + "/";
  std::vector<std::string> ids;
  for (const auto& line : split(os::read_file("/proc/self/mountinfo", kMax), '\n')) {
    const auto fields = split(line, ' ', 6);
    if (fields.size() > 5 && fields[4].starts_with(prefix)) ids.push_back(fields[4].substr(prefix.size()));
  }
  return ids;
}

// An ordinary user's mounts live in a namespace of their own, which `proa unshare` opens and keeps.
void require_namespace(const char* verb) {
  if (::geteuid() == 0) return;
  throw Error(ErrorCode::PermissionDenied, fmt::format("{} needs a mount namespace that stays", verb),
              "start a shell with `proa unshare` first: the mount lasts as long as that shell");
}

os::Path mount_one(const engine::Containers& containers, const engine::Container& container) {
  os::Path place = os::join(mounts_folder(containers), container.id());
  for (const auto& id : mounted_ids(containers)) {
    if (id == container.id()) return place;
  }
  os::UserNamespacePlan ids = os::plan_user_namespace();
  const engine::RootView view(containers, container, ids, engine::RootView::Mounts::Without);
  os::make_dirs(place);
  os::attach_mount(view.root().fd(), os::open(place, O_PATH | O_DIRECTORY | O_CLOEXEC).get(), place);
  return place;
}

int mount(cli::Context&, const FileOptions& options) {
  const auto containers = open_containers();
  if (options.names.empty() && !options.all && !options.latest) {
    OrderedJson rows = OrderedJson::array();
    for (const auto& id : mounted_ids(containers)) {
      const os::Path place = os::join(mounts_folder(containers), id);
      rows.push_back({{"id", id}, {"Names", {containers.get(id).record().name}}, {"mountpoint", place}});
      if (options.format.empty()) print(fmt::format("{} {}\n", options.no_trunc ? id : id.substr(0, 12), place));
    }
    if (!options.format.empty()) print(json_text(rows, 4) + "\n");
    return 0;
  }
  require_namespace("mount");
  const bool many = options.all || options.names.size() > 1;
  const auto one = [&](const engine::Container& container) {
    const os::Path place = mount_one(containers, container);
    print(many ? fmt::format("{} {}\n", container.id(), place) : place + "\n");
  };
  if (options.latest) one(get_latest(containers));
  for (const auto& name : options.names) one(containers.get(name));
  if (options.all) {
    for (const auto& container : containers.list()) one(container);
  }
  return 0;
}

int unmount(cli::Context&, const FileOptions& options) {
  const auto containers = open_containers();
  require_namespace("unmount");
  const auto mounted = mounted_ids(containers);
  return for_each(containers, {options.names, options.all, options.latest}, false, [&](const engine::Container& one) {
    if (std::find(mounted.begin(), mounted.end(), one.id()) == mounted.end()) {
      if (options.all || options.force) return;
      throw Error(ErrorCode::InvalidArgument, fmt::format("container {} is not mounted here", one.id().substr(0, 12)));
    }
    const os::Path place = os::join(mounts_folder(containers), one.id());
    if (::umount2(place.c_str(), (options.force ? MNT_DETACH : 0) | UMOUNT_NOFOLLOW) < 0) {
      throw system_error("unmount " + place);
    }
    ::rmdir(place.c_str());
  });
}

}  // namespace

cli::Command diff_command() {
  return cli::command<FileOptions>("diff", "List what changed in the files of a container")
      .value("format", &FileOptions::format, "json", "FORMAT")
      .flag("latest,l", &FileOptions::latest, "The container made last")
      .positionals("CONTAINER|IMAGE [IMAGE]", &FileOptions::names, 0, 2, cli::Complete::Container)
      .runs(diff);
}

cli::Command export_command() {
  return cli::command<FileOptions>("export", "Write the files of a container as a tar archive")
      .value("output,o", &FileOptions::output, "File instead of standard output", "FILE", cli::Complete::File)
      .flag("latest,l", &FileOptions::latest, "The container made last")
      .positionals("CONTAINER", &FileOptions::names, 0, 1, cli::Complete::Container)
      .runs(export_files);
}

cli::Command mount_command() {
  return cli::command<FileOptions>("mount", "Mount the files of containers, or list what is mounted")
      .flag("all,a", &FileOptions::all, "All containers")
      .flag("latest,l", &FileOptions::latest, "The container made last")
      .flag("no-trunc", &FileOptions::no_trunc, "Whole ids")
      .flag("notruncate", &FileOptions::no_trunc, "Whole ids")
      .hide_last()
      .value("format", &FileOptions::format, "json", "FORMAT")
      .positionals("[CONTAINER...]", &FileOptions::names, 0, cli::kAnyNumber, cli::Complete::Container)
      .runs(mount);
}

cli::Command unmount_command() {
  return cli::command<FileOptions>("unmount", "Undo mount")
      .alias("umount")
      .flag("all,a", &FileOptions::all, "All containers")
      .flag("force,f", &FileOptions::force, "Also what is in use")
      .flag("latest,l", &FileOptions::latest, "The container made last")
      .positionals("[CONTAINER...]", &FileOptions::names, 0, cli::kAnyNumber, cli::Complete::Container)
      .runs(unmount);
}

}  // namespace proa::commands
