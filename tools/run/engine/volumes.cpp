#include "tools/run/engine/volumes.h"

#include <nlohmann/json.hpp>

#include "libcommon/base/error.h"
#include "libcommon/base/random.h"
#include "libcommon/base/time.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/store_file.h"
#include "libcommon/spec/volumes.h"

namespace proa::engine {
namespace {

using Json = nlohmann::json;

Volume parse_volume(const std::string& name, const os::Path& folder, const std::string& text) {
  try {
    const Json json = Json::parse(text);
    return {name, json.at("created"), json.at("anonymous"), json.at("labels"), os::join(folder, "_data")};
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::Corrupt, "volume " + name + ": volume.json cannot be read: " + error.what());
  }
}

}  // namespace

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

std::pair<Volume, bool> Volumes::find_or_create(const std::string& name, bool anonymous,
                                                const std::map<std::string, std::string>& labels) const {
  if (auto volume = find(name)) return {*volume, false};
  os::store_call::make_dir_if_absent(root_, AT_FDCWD);
  // Complete before it is visible; who comes second uses the first one's.
  const os::Path staged = os::join(root_, "." + random_hex(8));
  os::store_call::make_dir(staged, AT_FDCWD);
  os::store_call::make_dir(os::join(staged, "_data"), AT_FDCWD, 0755);
  Volume volume{name, format_rfc3339(now()), anonymous, labels, os::join(os::join(root_, name), "_data")};
  {
    auto file = os::StoreFile::create(os::join(staged, "volume.json"), AT_FDCWD);
    file.write(Json{{"created", volume.created}, {"anonymous", anonymous}, {"labels", labels}}.dump());
  }
  if (os::store_call::rename_new(staged, AT_FDCWD, os::join(root_, name), AT_FDCWD)) return {volume, true};
  os::remove_tree(staged);
  return {find(name).value(), false};
}

void Volumes::remove(const std::string& name) const {
  spec::check_object_name("volume", name);
  const os::Path hidden = os::join(root_, "." + random_hex(8));
  if (os::store_call::rename_if_exists(os::join(root_, name), AT_FDCWD, hidden, AT_FDCWD)) remove_foreign_tree(hidden);
}

void remove_volumes(const Containers& containers, const ContainerRecord& record) {
  const Volumes volumes(containers.paths());
  for (const auto& name : record.anonymous_volumes) volumes.remove(name);
}

}  // namespace proa::engine
