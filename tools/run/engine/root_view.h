// The files of a container as its processes see them, whether it runs or not, for commands that read or change them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/oci/runtime_spec.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/idmap.h"
#include "tools/run/engine/containers.h"

namespace proa::engine {

// The container's own layer over those of its image, detached. `lowers`: top first. `volatile_layer`: what a crash may
// lose. For a process in the user namespace `ids`.
os::UniqueFd mount_layers(const Container& container, const std::vector<os::Path>& lowers,
                          const os::UserNamespacePlan& ids, bool volatile_layer);

// Enters a user namespace from which the files of these containers can be reached: that of one that runs, else any.
// For single-threaded programs; once.
os::UserNamespacePlan enter_for(const Containers& containers, const std::vector<const Container*>& wanted);

class RootView {
 public:
  enum class Mounts { With, Without };
  // After enter_for(). One that does not run is kept from starting meanwhile (InUse when another command holds it). Its
  // binds and volumes are there With mounts; what a run only makes for itself is not.
  RootView(const Containers& containers, const Container& container, const os::UserNamespacePlan& ids, Mounts mounts);

  // Every path of the container is resolved in here.
  const os::Dir& root() const { return *root_; }

 private:
  void open_running(const Snapshot& snapshot, Mounts mounts);
  void open_stopped(const Containers& containers, const Container& container, const Snapshot& snapshot,
                    const os::UserNamespacePlan& ids, Mounts mounts);

  std::optional<LiveLock> lock_;
  std::optional<os::Dir> root_;
};

// The overlay's lower folders of a container as one tree, read-only. After enter_for().
os::Dir open_lower_view(const Containers& containers, const Container& container, const os::UserNamespacePlan& ids);

// What the runtime was told; nullopt for a container that was never made whole.
std::optional<oci::RuntimeSpec> read_spec(const Container& container);

// The user of the container's command, as ids of the namespace that enter_for() entered.
struct FileOwner {
  uid_t uid = 0;
  gid_t gid = 0;
};
FileOwner owner_of_files(const Container& container);

}  // namespace proa::engine
