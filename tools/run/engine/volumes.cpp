#include "tools/run/engine/volumes.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <set>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/random.h"
#include "libcommon/base/time.h"
#include "libcommon/oci/json.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/lock.h"
#include "libcommon/os/store_file.h"
#include "libcommon/spec/volumes.h"

namespace proa::engine {
namespace {

using Json = nlohmann::json;

constexpr const char* kUsed = "used";

Volume parse_volume(const std::string& name, const os::Path& folder, const std::string& text) {
  try {
    const Json json = oci::parse_json(text, "volume.json", text.size());
    return {name,
            json.at("created"),
            json.at("anonymous"),
            json.at("labels"),
            json.value("options", std::map<std::string, std::string>()),
            os::join(folder, "_data")};
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::Corrupt, "volume " + name + ": volume.json cannot be read: " + error.what());
  }
}

os::Path folder_of(const os::Path& data) { return data.substr(0, data.rfind('/')); }

void mark_used(int folder) { os::open(kUsed, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600, folder); }

}  // namespace

bool Volume::used() const { return os::exists(os::join(folder_of(data), kUsed)); }

void check_volume_options(const std::map<std::string, std::string>& options) {
  static const std::set<std::string> known = {"type", "device", "o", "copy", "nocopy"};
  for (const auto& [key, value] : options) {
    if (known.contains(key)) continue;
    if (key == "size" || key == "inodes" || key == "uid" || key == "gid" || key == "timeout") {
      throw Error(ErrorCode::Unsupported, fmt::format("the volume option {} is not supported", key),
                  "quotas and owners of volumes need root; leave it out");
    }
    throw Error(ErrorCode::InvalidArgument, fmt::format("the volume option {} is unknown", key),
                "the driver local has type, device and o");
  }
  const auto type = options.contains("type") ? options.at("type") : "";
  const bool bound = type.empty() || type == "none" || type == "bind";
  if (!bound && type != "tmpfs") {
    throw Error(ErrorCode::Unsupported, fmt::format("volumes of type {} are not supported", type),
                "an ordinary user can mount tmpfs and bind folders only");
  }
  if (bound && options.contains("o") && !options.contains("device")) {
    throw Error(ErrorCode::InvalidArgument, "the volume option o needs the option device or type=tmpfs");
  }
  if (bound && options.contains("device") && !options.at("device").starts_with('/')) {
    throw Error(ErrorCode::InvalidArgument, "the volume option device needs an absolute path");
  }
}

std::vector<Volume> Volumes::list() const {
  std::vector<Volume> all;
  if (!os::exists(root_)) return all;
  for (const auto& name : os::list_dir(root_)) {
    if (name.front() == '.') continue;
    if (auto volume = find(name)) all.push_back(std::move(*volume));
  }
  return all;
}

std::optional<Volume> Volumes::find(const std::string& name) const {
  spec::check_object_name("volume", name);
  const os::Path folder = os::join(root_, name);
  const auto text = os::try_read_file(os::join(folder, "volume.json"), 1 << 20);
  return text ? std::optional(parse_volume(name, folder, *text)) : std::nullopt;
}

Volume Volumes::get(const std::string& name) const {
  if (auto volume = find(name)) return std::move(*volume);
  throw Error(ErrorCode::NotFound, fmt::format("no such volume: {}", name), "`proa volume ls` lists all volumes");
}

std::pair<Volume, bool> Volumes::find_or_create(const VolumeRequest& request) const {
  if (auto volume = find(request.name)) return {*volume, false};
  check_volume_options(request.options);
  os::store_call::make_dir_if_absent(root_, AT_FDCWD);
  // Complete before it is visible; who comes second uses the first one's.
  const os::Path staged = os::join(root_, "." + random_hex(8));
  os::store_call::make_dir(staged, AT_FDCWD);
  os::store_call::make_dir(os::join(staged, "_data"), AT_FDCWD, 0755);
  const os::Path folder = os::join(root_, request.name);
  Volume volume{request.name,   format_rfc3339(now()), request.anonymous,
                request.labels, request.options,       os::join(folder, "_data")};
  {
    auto file = os::StoreFile::create(os::join(staged, "volume.json"), AT_FDCWD);
    file.write(json_text(Json{{"created", volume.created},
                              {"anonymous", volume.anonymous},
                              {"labels", volume.labels},
                              {"options", volume.options}}));
  }
  if (os::store_call::rename_new(staged, AT_FDCWD, folder, AT_FDCWD)) return {volume, true};
  os::remove_tree(staged);
  return {get(request.name), false};
}

void Volumes::remove(const std::string& name) const {
  spec::check_object_name("volume", name);
  const os::Path hidden = os::join(root_, "." + random_hex(8));
  if (os::store_call::rename_if_exists(os::join(root_, name), AT_FDCWD, hidden, AT_FDCWD)) remove_foreign_tree(hidden);
}

void fill_once(const os::Path& data, const std::function<void(int folder)>& fill) {
  const os::Path folder = folder_of(data);
  const auto lock = os::FileLock::acquire(os::join(folder, "lock"), os::FileLock::Mode::Exclusive);
  if (os::exists(os::join(folder, kUsed))) return;
  const os::UniqueFd at = os::open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (os::list_dir(data).empty()) {
    constexpr const char* kStaged = ".filling";
    os::remove_tree(kStaged, at.get());
    os::store_call::make_dir(kStaged, at.get(), 0755);
    fill(os::open(kStaged, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, at.get()).get());
    os::store_call::rename(kStaged, at.get(), "_data", at.get());  // over an empty folder
  }
  mark_used(at.get());
}

void remove_volumes(const Containers& containers, const ContainerRecord& record) {
  const Volumes volumes(containers.paths());
  for (const auto& name : record.anonymous_volumes) volumes.remove(name);
}

std::vector<std::pair<Volume, std::vector<std::string>>> volume_use(const Containers& containers) {
  std::map<std::string, std::vector<std::string>> users;
  for (const auto& container : containers.list()) {
    for (const auto& mount : look_at(container).record.mounts) {
      if (!mount.name.empty()) users[mount.name].push_back(container.id());
    }
  }
  std::vector<std::pair<Volume, std::vector<std::string>>> use;
  for (auto& volume : Volumes(containers.paths()).list()) {
    auto ids = std::move(users[volume.name]);
    use.emplace_back(std::move(volume), std::move(ids));
  }
  return use;
}

std::vector<std::string> prune_volumes(const Containers& containers, const std::function<bool(const Volume&)>& wanted) {
  const Volumes volumes(containers.paths());
  std::vector<std::string> removed;
  for (const auto& [volume, users] : volume_use(containers)) {
    if (!users.empty() || !wanted(volume)) continue;
    volumes.remove(volume.name);
    removed.push_back(volume.name);
  }
  return removed;
}

}  // namespace proa::engine
