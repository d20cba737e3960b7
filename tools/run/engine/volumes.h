// Named volumes: `volumes/<name>/{volume.json,_data/}`.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/run/engine/containers.h"

namespace proa::engine {

struct Volume {
  std::string name, created;
  bool anonymous = false;
  std::map<std::string, std::string> labels;
  os::Path data;  // absolute
};

class Volumes {
 public:
  explicit Volumes(const config::Paths& paths) : root_(os::join(paths.data, "volumes")) {}

  std::vector<Volume> list() const;
  std::optional<Volume> find(const std::string& name) const;
  // false in `second`: it was there already.
  std::pair<Volume, bool> find_or_create(const std::string& name, bool anonymous,
                                         const std::map<std::string, std::string>& labels) const;
  void remove(const std::string& name) const;  // absent is fine

 private:
  os::Path root_;
};

// The anonymous volumes of a container that is gone.
void remove_volumes(const Containers& containers, const ContainerRecord& record);

}  // namespace proa::engine
