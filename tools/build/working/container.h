// Working containers: images in the making that scripts change step by step (`from`, `run`, `copy`, `config`,
// `commit`). A folder each below <data>/working/: record.json, upper/ and work/ of the overlay, lock.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcommon/os/lock.h"
#include "libcommon/store/store.h"
#include "tools/build/steps/session.h"

namespace proa::build {

struct WorkingContainer {
  std::string id, name;
  std::string image;     // as it was given; empty: from scratch
  std::string image_id;  // hex of the image's config; empty: from scratch
  std::string created;   // RFC 3339
  oci::ImageConfig config;
  oci::Annotations annotations;
  std::string format = "oci";
  std::vector<oci::History> history;  // of --add-history

  std::string encode() const;
  static WorkingContainer decode(const std::string& text);
};

class WorkingContainers {
 public:
  explicit WorkingContainers(const os::Path& data) : folder_(os::join(data, "working")) {}

  // A new one, with a name of its own ("alpine-working-container", "-1", ...) unless `name` is given. AlreadyExists.
  WorkingContainer create(WorkingContainer container, const std::string& name);
  std::vector<WorkingContainer> list() const;  // oldest first
  // By name, id or the beginning of an id. NotFound.
  WorkingContainer find(const std::string& text) const;
  // Waits for others that work with it.
  os::FileLock lock(const WorkingContainer& container) const;
  void save(const WorkingContainer& container);
  void rename(WorkingContainer container, const std::string& name);
  void remove(const WorkingContainer& container);

  os::Path upper(const WorkingContainer& container) const { return os::join(path(container.id), "upper"); }
  os::Path work(const WorkingContainer& container) const { return os::join(path(container.id), "work"); }
  os::Path mount_point(const WorkingContainer& container) const { return os::join(path(container.id), "merged"); }

 private:
  os::Path path(const std::string& id) const { return os::join(folder_, id); }
  std::string free_name(const std::string& image) const;
  bool is_taken(const std::string& name) const;

  os::Path folder_;
};

// The layers below a working container, with its present configuration.
Snapshot base_of(const store::Store& store, const WorkingContainer& container);

}  // namespace proa::build
