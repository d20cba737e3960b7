// image mount, image unmount: the files of an image, read-only, in this mount namespace. There is no table of mounts:
// what is mounted, the kernel knows.
#include <fmt/core.h>
#include <sys/mount.h>
#include <unistd.h>

#include <optional>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/os/mount.h"
#include "libcommon/store/lease.h"
#include "tools/copy/commands.h"
#include "tools/copy/local_store.h"

namespace proa::copy {

namespace {

struct MountOptions {
  std::vector<std::string> images;
  std::string format;
  bool all = false, force = false;
};

constexpr std::uint64_t kMaxMountTable = 64 << 20;

// An ordinary user's mounts live in a namespace of their own, which `proa unshare` opens and keeps.
void require_namespace(const char* verb) {
  if (::geteuid() == 0) return;
  throw Error(ErrorCode::PermissionDenied, fmt::format("cannot run command \"proa image {}\" in rootless mode", verb),
              "start a shell with `proa unshare` first: the mount lasts as long as that shell");
}

os::Path mounts_folder(const LocalStore& local) { return os::join(local.paths().run, "image-mounts"); }
os::Path mount_point(const LocalStore& local, const store::StoredImage& image) {
  return os::join(mounts_folder(local), image.id.hex());
}

// Ids of the images that are mounted here: mountinfo has the mount point as fifth field.
std::vector<std::string> mounted_ids(const LocalStore& local) {
  std::vector<std::string> ids;
  const auto prefix = mounts_folder(local) + "/";
  for (const auto& line : split(os::read_file("/proc/self/mountinfo", kMaxMountTable), '\n')) {
    const auto fields = split(line, ' ', 6);
    if (fields.size() < 5 || !fields[4].starts_with(prefix)) continue;
    ids.push_back(fields[4].substr(prefix.size()));
  }
  return ids;
}

bool is_mounted(const LocalStore& local, const store::StoredImage& image) {
  for (const auto& id : mounted_ids(local)) {
    if (id == image.id.hex()) return true;
  }
  return false;
}

os::Path mount_image(LocalStore& local, const store::StoredImage& image) {
  const While mounting{[&] { return fmt::format("mounting {}", image.id.digest().short_id()); }};
  auto target = mount_point(local, image);
  if (is_mounted(local, image)) return target;
  os::make_dirs(target);
  os::OverlayPlan plan;
  plan.lowers = local.store().overlay_lowers(image);
  if (plan.lowers.empty()) throw Error(ErrorCode::InvalidArgument, "the image has no files");
  // Two are needed for an overlay without an upper directory.
  if (plan.lowers.size() == 1) {
    os::make_dirs(os::join(mounts_folder(local), ".empty"));
    plan.lowers.push_back(os::join(mounts_folder(local), ".empty"));
  }
  plan.user_xattr = os::in_user_namespace();
  const auto mount = os::mount_overlay_any(plan, target);
  const auto folder = os::open(target, O_PATH | O_DIRECTORY);
  os::attach_mount(mount.get(), folder.get(), target);
  return target;
}

void list_mounts(LocalStore& local, const MountOptions& options) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const auto& id : mounted_ids(local)) {
    const auto image = local.find(id);
    const auto names = image ? image->names : std::vector<std::string>{};
    rows.push_back({{"id", id}, {"Repositories", names}, {"mountpoint", os::join(mounts_folder(local), id)}});
  }
  if (options.format == "json") {
    fmt::print("{}\n", json_text(rows, 1));
    return;
  }
  for (const auto& row : rows) {
    const auto& names = row["Repositories"];
    fmt::print("{} {}\n", names.empty() ? row["id"].get<std::string>() : names[0].get<std::string>(),
               row["mountpoint"].get<std::string>());
  }
}

cli::ExitCode mount(cli::Context&, const MountOptions& options) {
  require_namespace("mount");
  if (!options.format.empty() && options.format != "json")
    throw Error(ErrorCode::InvalidArgument, fmt::format("unknown format \"{}\"", escape_control(options.format)),
                "choose json");
  LocalStore local(LocalStore::Access::Read);
  auto images = std::vector<store::StoredImage>{};
  for (const auto& name : options.images) images.push_back(local.get(name));
  if (options.all) {
    if (const auto* store = local.if_present()) images = store->list();
  }
  if (images.empty()) {
    list_mounts(local, options);
    return 0;
  }
  for (const auto& image : images) {
    const auto path = mount_image(local, image);
    images.size() == 1 && !options.all ? fmt::print("{}\n", path) : fmt::print("{} {}\n", image.id.hex(), path);
  }
  return 0;
}

cli::ExitCode unmount(cli::Context&, const MountOptions& options) {
  require_namespace("unmount");
  if (options.images.empty() && !options.all)
    throw Error(ErrorCode::InvalidArgument, "image name or ID must be specified");
  LocalStore local(LocalStore::Access::Read);
  std::vector<std::string> ids;
  for (const auto& name : options.images) {
    const auto image = local.get(name);
    if (!is_mounted(local, image))
      throw Error(ErrorCode::InvalidArgument, fmt::format("image {} is not mounted", escape_control(name)));
    ids.emplace_back(image.id.hex());
  }
  if (options.all) ids = mounted_ids(local);
  for (const auto& id : ids) {
    const auto target = os::join(mounts_folder(local), id);
    os::detach_mount(target, options.force ? MNT_DETACH : 0);
    ::rmdir(target.c_str());
    fmt::print("{}\n", id);
  }
  return 0;
}

}  // namespace

cli::Command image_mount_command() {
  return cli::command<MountOptions>("mount", "Mount the files of images, read-only, and print where")
      .flag("all,a", &MountOptions::all, "Mount all images")
      .value("format", &MountOptions::format, "json, for the list of what is mounted", "FORMAT")
      .positionals("[IMAGE...]", &MountOptions::images, 0, cli::kAnyNumber, cli::Complete::Image)
      .runs(mount);
}

cli::Command image_unmount_command() {
  return cli::command<MountOptions>("unmount", "Unmount images")
      .alias("umount")
      .flag("all,a", &MountOptions::all, "Unmount all images")
      .flag("force,f", &MountOptions::force, "Unmount also what is in use")
      .positionals("[IMAGE...]", &MountOptions::images, 0, cli::kAnyNumber, cli::Complete::Image)
      .runs(unmount);
}

}  // namespace proa::copy
