// What every verb of working containers opens: the store, the containers, one of them with its lock.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcommon/cli/command.h"
#include "libcommon/config/paths.h"
#include "tools/build/steps/session.h"
#include "tools/build/working/container.h"

namespace proa::build {

struct PlaceOptions {
  std::optional<std::string> root, runroot;
};

template <typename Options>
void declare_places(cli::CommandBuilder<Options>& builder) {
  using Field = std::optional<std::string> Options::*;
  builder.value("root", static_cast<Field>(&Options::root), "Where images are kept", "PATH", cli::Complete::Directory)
      .value("runroot", static_cast<Field>(&Options::runroot), "Where running state is kept", "PATH",
             cli::Complete::Directory);
}

// Mounted by `mount`, in a namespace that we are a copy of.
bool is_mounted(const os::Path& path);

class WorkSession {
 public:
  explicit WorkSession(const PlaceOptions& places, Timestamps times = {});

  Session& session() { return session_; }
  WorkingContainers& containers() { return containers_; }
  // Held until the end of the verb.
  WorkingContainer& open(const std::string& name);
  WorkingContainer& container() { return *container_; }
  // Its root, to work on. `stubs`: see Session::open_root().
  WorkRoot root(const std::optional<os::Path>& stubs = std::nullopt);
  Snapshot base() { return base_of(session_.store(), *container_); }
  // With --add-history: what was done becomes part of the image's history.
  void add_history(bool wanted, std::string text);
  void save() { containers_.save(*container_); }

 private:
  config::Paths paths_;
  Session session_;
  WorkingContainers containers_;
  std::optional<WorkingContainer> container_;
  std::optional<os::FileLock> lock_;
};

}  // namespace proa::build
