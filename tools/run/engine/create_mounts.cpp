// What the container sees of the host: binds, volumes, images, memory.
#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "libcommon/base/error.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/spec/volumes.h"
#include "libcommon/store/lease.h"
#include "libcommon/store/store.h"
#include "tools/run/engine/create.h"
#include "tools/run/engine/volumes.h"

namespace proa::engine {
namespace {

struct Options {
  bool overlay = false, give_away = false;
  std::string upper, work;
  std::vector<std::string> kept;  // for mount(2)
};

Options read_options(const spec::Mount& mount) {
  Options options;
  for (const auto& word : mount.options) {
    if (word == "O") {
      options.overlay = true;
    } else if (word == "U") {
      options.give_away = true;
    } else if (word.starts_with("upperdir=")) {
      options.upper = word.substr(9);
    } else if (word.starts_with("workdir=")) {
      options.work = word.substr(8);
    } else if (word.starts_with("idmap")) {
      throw Error(ErrorCode::Unsupported, "id-mapped mounts need root, which cannot be had here",
                  "use --userns=keep-id, or the mount option U");
    } else if (word != "z" && word != "Z" && word != "copy") {
      // Labels of SELinux: nothing to do where it is not in force, as with the peers.
      options.kept.push_back(word);
    }
  }
  if (options.upper.empty() != options.work.empty() || (!options.upper.empty() && !options.overlay)) {
    throw Error(ErrorCode::InvalidArgument, "upperdir and workdir belong together, and to the mount option O");
  }
  return options;
}

class MountMerger {
 public:
  MountMerger(const Containers& containers, const RunOptions& options, ContainerRecord& record,
              runtime::ContainerSpec& spec)
      : containers_(containers), volumes_(containers.paths()), record_(record), spec_(spec) {
    if (options.volume_driver) driver_ = *options.volume_driver;
  }

  void add(const spec::Mount& mount) {
    if (!targets_.insert(spec::clean_path(mount.target)).second) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("two mounts have the same destination {}", mount.target));
    }
    switch (mount.type) {
      case spec::MountType::Bind:
        return add_bind(mount);
      case spec::MountType::Volume:
        return add_volume(mount);
      case spec::MountType::Tmpfs:
        return add_memory(mount, runtime::MountRequest::Kind::Tmpfs, "tmpfs");
      case spec::MountType::Ramfs:
        return add_memory(mount, runtime::MountRequest::Kind::Ramfs, "ramfs");
      case spec::MountType::Devpts:
        return add_memory(mount, runtime::MountRequest::Kind::Devpts, "devpts");
      case spec::MountType::Image:
        return add_image(mount);
    }
  }

  // VOLUME of an image: a volume of its own for each container, unless the user has put something there.
  void add_image_volume(const std::string& path, const std::string& how) {
    const std::string target = spec::clean_path(path.starts_with('/') ? path : "/" + path);
    if (target == "/" || targets_.contains(target) || how == "ignore") return;
    spec::Mount mount;
    mount.target = target;
    if (how == "tmpfs") mount.type = spec::MountType::Tmpfs;
    add(mount);
  }

  // --volumes-from CONTAINER[:OPTIONS]: its binds and volumes at the same places, where nothing was asked for here.
  void add_from(const std::string& text) {
    const auto parts = cut(text, ":");
    const std::string name(parts ? parts->first : std::string_view(text));
    bool read_only = false;
    for (const auto& word : split(parts ? parts->second : std::string_view(), ',')) {
      if (word == "ro") {
        read_only = true;
      } else if (!word.empty() && word != "rw" && word != "z" && word != "Z") {
        throw Error(ErrorCode::InvalidArgument, fmt::format("--volumes-from={}: unknown option {}", text, word),
                    "use ro, rw or z");
      }
    }
    for (const auto& note : containers_.get(name).record().mounts) {
      if (targets_.contains(note.destination) || (note.type != "bind" && note.type != "volume")) continue;
      spec::Mount mount;
      mount.type = note.type == "bind" ? spec::MountType::Bind : spec::MountType::Volume;
      mount.source = note.type == "bind" ? note.source : note.name;
      mount.target = note.destination;
      mount.read_only = read_only || note.read_only;
      mount.propagation = note.propagation;
      mount.options = note.options;
      add(mount);
    }
  }

  MountWork take_work() { return std::move(work_); }

 private:
  void push(const spec::Mount& mount, const Options& options, const std::string& source, const char* type,
            const std::string& name) {
    runtime::MountRequest request;
    request.source = source;
    request.target = mount.target;
    request.read_only = mount.read_only;
    request.recursive = !mount.non_recursive;
    request.propagation = mount.propagation;
    request.options = options.kept;
    if (options.overlay) {
      PreparedMount overlay{"overlay", source, {}, options.upper, options.work, true};
      request.source = prepare(std::move(overlay));
    }
    if (options.give_away) work_.give_away.push_back(source);
    spec_.mounts.push_back(std::move(request));
    record_.mounts.push_back({type, name, source, mount.target, mount.read_only, mount.propagation, mount.options});
  }

  // Where the specification finds it.
  std::string prepare(PreparedMount mount) {
    record_.prepared.push_back(std::move(mount));
    const os::Path folder = os::join(os::join(containers_.paths().data, "containers"), record_.id);
    return fmt::format("{}/mounts/{}", folder, record_.prepared.size() - 1);
  }

  void add_bind(const spec::Mount& mount) {
    if (mount.source.empty()) throw Error(ErrorCode::InvalidArgument, "a bind mount needs a source");
    if (!os::try_stat(mount.source, AT_FDCWD, 0)) {
      if (!mount.create_source) {
        throw Error(ErrorCode::NotFound, fmt::format("cannot mount {}: no such file or directory", mount.source),
                    "make it first; a name without a slash means a volume");
      }
      const While making{[&] { return "making the folder of -v " + mount.source + ":" + mount.target; }};
      os::make_dirs(mount.source, 0755);
    }
    push(mount, read_options(mount), mount.source, "bind", "");
  }

  void add_volume(const spec::Mount& mount) {
    const std::string& driver = mount.driver.empty() ? driver_ : mount.driver;
    if (!driver.empty() && driver != "local") {
      throw Error(ErrorCode::Unsupported, fmt::format("the volume driver '{}' is not supported", driver),
                  "volumes are folders: use the driver local");
    }
    const bool anonymous = mount.source.empty();
    const std::string name = anonymous ? random_hex(32) : mount.source;
    const auto found = volumes_.find_or_create({name, anonymous, mount.labels, mount.driver_options});
    const Volume& volume = found.first;
    if (anonymous) record_.anonymous_volumes.push_back(name);
    if (volume.has_mount_options()) return add_mounted_volume(mount, volume);
    const bool overlay = std::find(mount.options.begin(), mount.options.end(), "O") != mount.options.end();
    // Without a path in the image it only counts as used from now on.
    if (!volume.used()) work_.new_volumes.emplace_back(volume.data, mount.no_copy || overlay ? "" : mount.target);
    if (mount.subpath.empty()) return push(mount, read_options(mount), volume.data, "volume", name);
    PreparedMount part{"path", volume.data, mount.subpath, {}, {}, true};
    spec::Mount whole = mount;
    push(whole, read_options(mount), prepare(std::move(part)), "volume", name);
    record_.mounts.back().source = os::join(volume.data, mount.subpath);
  }

  // A volume whose options say what is mounted.
  void add_mounted_volume(const spec::Mount& mount, const Volume& volume) {
    const auto option = [&](const char* key) {
      const auto found = volume.options.find(key);
      return found == volume.options.end() ? std::string() : found->second;
    };
    spec::Mount real = mount;
    for (const auto& word : split(option("o"), ',')) {
      if (word == "ro") real.read_only = true;
      const bool known = word.empty() || word == "ro" || word == "rw" || word == "bind" || word == "rbind";
      if (!known) real.options.push_back(word);
    }
    if (option("type") == "tmpfs") return add_memory(real, runtime::MountRequest::Kind::Tmpfs, "volume", volume.name);
    if (!os::try_stat(option("device"), AT_FDCWD, 0)) {
      throw Error(ErrorCode::NotFound, fmt::format("volume {}: no such folder: {}", volume.name, option("device")));
    }
    push(real, read_options(real), option("device"), "volume", volume.name);
  }

  void add_memory(const spec::Mount& mount, runtime::MountRequest::Kind kind, const char* type,
                  const std::string& name = {}) {
    runtime::MountRequest request;
    request.kind = kind;
    request.target = mount.target;
    request.read_only = mount.read_only;
    request.options = mount.options;
    if (mount.tmpfs_size) request.options.push_back(fmt::format("size={}", *mount.tmpfs_size));
    if (mount.tmpfs_mode) request.options.push_back(fmt::format("mode={:o}", *mount.tmpfs_mode));
    spec_.mounts.push_back(std::move(request));
    record_.mounts.push_back({type, name, "", mount.target, mount.read_only, {}, mount.options});
  }

  void add_image(const spec::Mount& mount) {
    const auto store = store::Store::try_open(containers_.paths().data);
    const auto image = store ? store->find(mount.source) : std::nullopt;
    if (!image) {
      throw Error(ErrorCode::NotFound, fmt::format("no such image: {}", mount.source),
                  fmt::format("pull it first: `proa pull {}`", mount.source));
    }
    if (!image->top_layer) throw Error(ErrorCode::InvalidArgument, fmt::format("{} has no files", mount.source));
    store::add_use(*store, mount_use(record_.id, record_.prepared.size()), *image);
    PreparedMount root{"image", image->top_layer->str(), mount.subpath, {}, {}, mount.read_write};
    spec::Mount whole = mount;
    whole.read_only = !mount.read_write;
    push(whole, read_options(mount), prepare(std::move(root)), "image", "");
    record_.mounts.back().source = mount.source;
  }

  const Containers& containers_;
  Volumes volumes_;
  ContainerRecord& record_;
  runtime::ContainerSpec& spec_;
  std::string driver_;
  std::set<std::string> targets_;
  MountWork work_;
};

std::size_t depth(const std::string& path) {
  return static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

}  // namespace

MountWork merge_mounts(const Containers& containers, const RunOptions& options, const oci::ImageConfig& image,
                       ContainerRecord& record, runtime::ContainerSpec& spec) {
  MountMerger merger(containers, options, record, spec);
  const std::string here = os::read_link("/proc/self/cwd");
  for (const auto& text : options.mount) merger.add(spec::parse_mount(text, here));
  for (const auto& text : options.volume) merger.add(spec::parse_volume(text, here));
  for (const auto& text : options.tmpfs) merger.add(spec::parse_tmpfs(text));
  for (const auto& text : options.volumes_from) merger.add_from(text);
  record.volumes_from = options.volumes_from;
  const std::string how = options.image_volume.value_or("anonymous");
  if (how != "anonymous" && how != "bind" && how != "tmpfs" && how != "ignore") {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--image-volume={}: unknown", how),
                "use anonymous, tmpfs or ignore");
  }
  for (const auto& path : image.volumes) merger.add_image_volume(path, how);
  // A mount below another one comes after it.
  std::stable_sort(spec.mounts.begin(), spec.mounts.end(),
                   [](const auto& a, const auto& b) { return depth(a.target) < depth(b.target); });
  return merger.take_work();
}

}  // namespace proa::engine
