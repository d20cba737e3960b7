// What keeps data from garbage collection without a name: leases of running processes, uses of containers.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/os/store_file.h"
#include "libcommon/store/store.h"

namespace proa::store {

// A flock'ed file in leases/ that names what its holder works with. It ends with the last process that has the
// descriptor open: there is no clock and nothing to release after a crash. A monitor inherits it over fork.
class Lease {
 public:
  static Lease create(const Store& store);
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&&) = delete;
  ~Lease();  // removes the file, unless moved from, released or forked (only the process that created it removes it)

  // After these the object stays, however many names are removed. NotFound: it is already gone.
  void hold(const StoredImage& image);
  void hold_layer(const oci::ChainId& chain);  // with all layers below it
  // false: there is no such blob; the name is held all the same.
  bool hold_blob(const oci::Digest& digest);

  const std::string& id() const { return id_; }
  int fd() const { return file_.fd(); }
  // For the process that carries on (the monitor after fork): from now on this process removes the file.
  void take_over() noexcept;
  // The file stays although nobody holds it any more: a trace for the next sweep.
  void leave_behind() noexcept;
  void note(std::string_view line);  // a line for people and for the successor

 private:
  Lease(os::Path root, os::Dir leases, std::string id, os::StoreFile file);

  os::Path root_;
  os::Dir leases_;
  std::string id_;
  os::StoreFile file_;
  pid_t owner_;
};

// A container, running or not, keeps its image: uses/<container id> is a link that names the manifest. Made before the
// container's record, removed after it. Not synced: after a power cut a container that was just made may be gone, with
// its use or without.
void add_use(const Store& store, std::string_view container_id, const StoredImage& image);
void remove_use(const Store& store, std::string_view container_id);  // absent is fine
// Ids of the containers that use the image.
std::vector<std::string> uses_of(const Store& store, const StoredImage& image);
// How many containers use each manifest: one look for a list of many images.
std::map<oci::Digest, std::size_t> count_uses(const Store& store);

}  // namespace proa::store
