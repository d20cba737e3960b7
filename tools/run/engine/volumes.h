// Named volumes: `volumes/<name>/{volume.json,_data/,used}`.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/run/engine/containers.h"

namespace proa::engine {

struct Volume {
  std::string name, created;
  bool anonymous = false;
  std::map<std::string, std::string> labels, options;  // options: of the driver local: type, device, o
  os::Path data;                                       // absolute

  // What is mounted is not `data`, but what the options say.
  bool has_mount_options() const { return options.contains("type") || options.contains("device"); }
  // A container had it, or an archive was imported: the image's files are not copied into it any more.
  bool used() const;
};

struct VolumeRequest {
  std::string name;
  bool anonymous = false;
  std::map<std::string, std::string> labels, options;
};
// Options that the driver local takes: type, device, o, copy, nocopy. InvalidArgument or Unsupported for others.
void check_volume_options(const std::map<std::string, std::string>& options);

class Volumes {
 public:
  explicit Volumes(const config::Paths& paths) : root_(os::join(paths.data, "volumes")) {}

  std::vector<Volume> list() const;
  std::optional<Volume> find(const std::string& name) const;
  Volume get(const std::string& name) const;  // NotFound: "no such volume: x"
  // false in `second`: it was there already.
  std::pair<Volume, bool> find_or_create(const VolumeRequest& request) const;
  void remove(const std::string& name) const;  // absent is fine

 private:
  os::Path root_;
};

// Gives a volume that nobody has used yet what `fill` puts into an empty folder. One process at a time: who comes
// second finds it used. What a killed process had copied is thrown away. For a process that has all ids of the user
// namespace.
void fill_once(const os::Path& data, const std::function<void(int folder)>& fill);

// The anonymous volumes of a container that is gone.
void remove_volumes(const Containers& containers, const ContainerRecord& record);

// Every volume, with the ids of the containers that have it.
std::vector<std::pair<Volume, std::vector<std::string>>> volume_use(const Containers& containers);
// Removes those that no container has and that `wanted` says yes to. Returns their names.
std::vector<std::string> prune_volumes(const Containers& containers, const std::function<bool(const Volume&)>& wanted);

}  // namespace proa::engine
