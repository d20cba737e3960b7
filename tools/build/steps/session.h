// One build's dealings with the store: the user namespace, the transaction, cached steps, layers made of overlay
// uppers.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/base/time.h"
#include "libcommon/oci/image.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/mount.h"
#include "libcommon/store/lease.h"
#include "libcommon/store/store.h"
#include "libcommon/store/writer.h"

namespace proa::build {

// An image as far as it is built.
struct Snapshot {
  oci::ImageConfig config;              // with diff ids and history
  std::vector<oci::Descriptor> layers;  // as the manifest will name them
  std::optional<oci::ChainId> top;
};

// Times of images and files.
struct Timestamps {
  std::optional<Time>
      fixed;             // SOURCE_DATE_EPOCH or --timestamp: creation times, and the newest time of a file in a layer
  bool set_all = false;  // --timestamp: every file of a new layer gets it
  std::string created() const;
};

struct ImageSettings {
  bool docker_format = false;
  bool omit_history = false;
  bool kept = true;  // false: it only leaves the store, and is none of the user's images
  oci::Annotations annotations;
  std::vector<oci::Reference> names;
};

// A root that a step works on: an overlay over a snapshot's layers, not attached anywhere.
struct WorkRoot {
  os::UniqueFd mount;  // detached; its root folder
  os::Path upper;      // what the step changed
  os::Dir dir() const;
};

class Session {
 public:
  Session(store::Store store, Timestamps times, bool use_cache);
  Session(const Session&) = delete;
  ~Session();  // finished steps stay, also when the build failed

  // Enters the user namespace that layers are written in, once; a build that finds everything in the cache never does.
  const os::UserNamespacePlan& enter();
  const os::UserNamespacePlan& plan();
  // Works in the mount namespace of the caller, who shall see the mounts. InvalidArgument where that cannot be.
  void stay();
  // Runs right after that, for whoever holds descriptors of folders to be mounted.
  void on_enter(std::function<void()> action) { on_enter_.push_back(std::move(action)); }
  const Timestamps& times() const { return times_; }
  const store::Store& store() const { return store_; }
  void hold(const store::StoredImage& image);

  // The snapshot after a step that was done before: `parent` with or without one layer more.
  // With `use_cache` off nothing is found.
  // `Parent::Any`: the step did not look at its parent, and its layer may have been made on another one.
  enum class Parent { Same, Any };
  std::optional<Snapshot> find_step(const std::string& key, const Snapshot& parent, const oci::History& history,
                                    Parent made_on = Parent::Same);

  // `stubs`: a folder that lies below all layers (mount points that no layer has).
  WorkRoot open_root(const Snapshot& snapshot, const std::optional<os::Path>& stubs = std::nullopt);
  // The same with a writable layer of the caller's, which outlives the session.
  WorkRoot open_root_at(const Snapshot& snapshot, const std::optional<os::Path>& stubs, const os::Path& upper,
                        const os::Path& work);
  // A snapshot's root to read from, not attached anywhere.
  os::UniqueFd mount_read_only(const Snapshot& snapshot);
  // A folder of ours that is a root with nothing below it: what COPY --link fills.
  WorkRoot open_plain_root();
  // A new folder that lives as long as the session.
  os::Path scratch_dir(std::string_view purpose);

  // The tar of a layer that a step made.
  std::unique_ptr<io::Source> open_layer(const oci::Digest& blob) { return transaction().open_blob(blob); }

  // Makes the upper folder of a finished step a layer (none when it is empty), and keeps the result under `key`.
  Snapshot commit_step(const std::string& key, const Snapshot& parent, WorkRoot root, oci::History history,
                       Parent made_on = Parent::Same);

  // A layer that is a copy of `upper`, which stays as it is.
  Snapshot commit_copy(const Snapshot& parent, const os::Path& upper, oci::History history);

  // Stores the finished image, or finds the very same one of an earlier build.
  store::StoredImage put_image(const Snapshot& snapshot, const ImageSettings& settings);
  // Takes an image away again that was only there to be sent elsewhere (ImageSettings::kept); one that was there before
  // stays.
  void drop(const store::StoredImage& image, const ImageSettings& settings);
  // Makes finished steps durable; what was registered is visible afterwards.
  void flush();

 private:
  store::Transaction& transaction();
  // The chain id of a stored layer on another parent; unpacked there when it never was.
  oci::ChainId put_on(const Snapshot& parent, const store::LayerRecord& layer);
  std::string stored_key(const std::string& key);
  void keep_step(const std::string& key, const Snapshot& snapshot);
  Snapshot with_layer(Snapshot snapshot, const oci::ChainId& chain, const oci::DiffId& diff_id, const oci::Digest& blob,
                      std::uint64_t size, oci::History history) const;

  store::Store store_;
  Timestamps times_;
  bool use_cache_;
  std::optional<os::UserNamespacePlan> plan_;
  bool entered_ = false;
  std::vector<std::function<void()>> on_enter_;
  std::optional<store::Transaction> transaction_;
  // Holds what lives longer than a flush: it is never committed.
  std::optional<store::Transaction> scratch_;
  std::optional<store::Lease> lease_;
  std::optional<std::map<std::string, store::StoredImage>> cached_;
  std::chrono::steady_clock::time_point last_flush_ = std::chrono::steady_clock::now();
  bool pending_ = false;
  bool was_there_ = false;  // the image of put_image() before it
};

// The name of a mode in layer records.
std::string owners_name(os::IdMode mode);

// The manifest of a snapshot; layers of other formats get the format's media types.
std::string make_manifest(const Snapshot& snapshot, const oci::Descriptor& config, const ImageSettings& settings);

}  // namespace proa::build
