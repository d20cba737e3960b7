// Writing to the store. Everything is staged in a directory of the transaction and becomes visible in commit(),
// complete and durable.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/io/stream.h"
#include "libcommon/oci/reference.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/idmap.h"
#include "libcommon/store/lease.h"
#include "libcommon/store/store.h"

namespace proa::store {

class Transaction;

// "root", "full" or "single": how owners of files are kept on disk, as Transaction::begin() and CheckOptions want it.
std::string owners_word(os::IdMode mode);

// A blob on its way into the store; hashed and counted as it is written. Destroyed without commit(), nothing of it is
// visible.
class BlobWriter final : public io::Sink {
 public:
  BlobWriter(BlobWriter&&) noexcept;
  ~BlobWriter() override;

  // Bytes that an interrupted transfer left, hashed again already: ask the peer for what follows.
  std::uint64_t offset() const;
  // These bytes; to be read before the first write.
  std::unique_ptr<io::Source> kept() const;
  // Throws these bytes away: the peer sends everything.
  void restart();
  void write(io::Bytes data) override;
  // Checks digest and size against what begin_blob() was told (Corrupt, and the data is dropped). Returns the digest.
  oci::Digest commit();
  std::uint64_t size() const;

 private:
  friend class Transaction;
  struct State;
  explicit BlobWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// A layer on its way: unpack into diff(), then commit().
class LayerWriter {
 public:
  LayerWriter(LayerWriter&&) noexcept;
  ~LayerWriter();  // without commit(): the directory is removed

  const os::Dir& diff() const;
  // The diff ids of all layers from the bottom to this one, whose own has to be verified by whoever unpacked. Records
  // size and fingerprint of the tree. Layers may be committed in any order.
  oci::ChainId commit(const std::vector<oci::DiffId>& stack, const std::optional<oci::Digest>& blob);
  // The same on top of a layer that is stored or staged.
  oci::ChainId commit(const std::optional<oci::ChainId>& parent, const oci::DiffId& diff_id,
                      const std::optional<oci::Digest>& blob);

 private:
  friend class Transaction;
  struct State;
  explicit LayerWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct ImageOptions {
  std::vector<oci::Reference>
      names;  // get ":latest" when they have neither tag nor digest; taken away from other images
  std::vector<std::string> repo_digests;  // "docker.io/library/x@sha256:..."
  std::string cache_key;  // not empty: not an image of the user but a build step's result; list() hides it
};

// One pull, load, build or commit. Methods may be called from several threads. Destroyed without commit() it gives all
// space back.
class Transaction {
 public:
  struct State;  // transaction_state.h

  // `store` outlives the transaction. `owners`: "root", "full" or "single", recorded with each layer.
  static Transaction begin(const Store& store, std::string owners);
  Transaction(Transaction&&) noexcept;
  ~Transaction();

  // Waits until no other live transaction makes one of these layers, and keeps others from making them until this one
  // ends: two pulls of one image share the work. At most once in a transaction, so that nobody waits in a circle.
  void claim_layers(const std::vector<oci::ChainId>& chains);

  // In the store (then held until this transaction ends), staged here, or taken over from a killed predecessor. A blob
  // of another size does not count, and small ones (manifests, configs) are hashed.
  bool has_blob(const oci::Digest& digest, std::optional<std::uint64_t> size = std::nullopt);
  // Expected digest and size, where known, are checked by BlobWriter::commit().
  BlobWriter begin_blob(std::optional<oci::Digest> expected = std::nullopt,
                        std::optional<std::uint64_t> size = std::nullopt);
  oci::Digest put_blob(std::string_view content);
  // Verifies as it is read (Corrupt).
  std::unique_ptr<io::Source> open_blob(const oci::Digest& digest);

  // As has_blob. A layer of an earlier boot is compared with its fingerprint first; a damaged one is set aside and
  // counts as absent. So does one that was unpacked with one mapped id when this transaction has more: it can still be
  // used, and what is staged here takes its place in commit().
  bool has_layer(const oci::ChainId& chain);
  // Known to be damaged in the store: counts as absent from now on, and what is staged here takes its place in
  // commit().
  void distrust(const oci::Digest& blob);
  void distrust(const oci::ChainId& layer);
  LayerWriter begin_layer();
  // Renames the upper directory of an overlay, which has to lie in the same file system and be unmounted, into the
  // transaction.
  oci::ChainId adopt_layer(const os::Path& upper, const std::optional<oci::ChainId>& parent, const oci::DiffId& diff_id,
                           const std::optional<oci::Digest>& blob);
  // Staged or stored; top first.
  std::vector<os::Path> overlay_lowers(const oci::ChainId& top);
  std::uint64_t layer_size(const oci::ChainId& chain);

  // A new directory (0700) that ends with the transaction: overlay upper and work directories, unpacked archives, and
  // so on.
  os::Path make_scratch_dir(std::string_view purpose);

  // Registers an image for commit(). Its config, manifest and all layers have to be there: NotFound names what is
  // missing, Corrupt what contradicts. `manifest` is stored as it is.
  StoredImage put_image(std::string manifest, std::string_view media_type, const ImageOptions& options);

  // Everything registered becomes visible and durable: returning means "it is stored". One syncfs whatever the number
  // of files.
  void commit();

  // A failure after which the user will try again (network): staged blobs, also incomplete ones, and layers stay for
  // the next transaction, which takes them over or else removes them.
  void keep_for_resume();

  const Store& store() const;

 private:
  friend class BlobWriter;
  friend class LayerWriter;
  explicit Transaction(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

// Makes the layers of an image again that were unpacked with one mapped id, for a user who now works as `owners`, with
// more. Returns how many; those whose blob is not here stay as they are.
std::size_t renew_layers(const Store& store, const StoredImage& image, const std::string& owners);
// Whether there are any.
bool has_outdated_layers(const Store& store, const StoredImage& image, const std::string& owners);

// A blob of the store; verifies size and digest as it is read. NotFound when absent.
std::unique_ptr<io::Source> open_blob(const Store& store, const oci::Digest& digest);
// Small blobs: verified, as text.
std::string read_verified_blob(const Store& store, const oci::Digest& digest, std::uint64_t max_size);

// Names. All are durable when they return, and none deletes data: collect() does (gc.h).
void tag(const Store& store, const StoredImage& image, const oci::Reference& name);
// Takes one name away; the image stays, dangling if it was the last. NotFound when the name is not there.
void untag(const Store& store, const oci::Reference& name);
void add_repo_digest(const Store& store, const StoredImage& image, const std::string& repo_digest);
// Removes the image with all its names. Works on a full disk. InUse names containers unless `force`: then these keep
// the data.
void remove_image(const Store& store, const StoredImage& image, bool force);
// Removes build steps kept under a cache key; all when `keys` is empty. Returns how many.
std::size_t remove_cached(const Store& store, const std::vector<std::string>& keys);

}  // namespace proa::store
