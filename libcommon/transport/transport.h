// Where images come from and where they go. The copy engine (libcommon/image) knows only these two interfaces; a
// transport knows nothing of other transports. Everything that may wait or touch the network takes a stop token; a
// request to stop ends in an Error with code Cancelled.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "libcommon/config/policy.h"
#include "libcommon/io/compression.h"
#include "libcommon/io/stream.h"
#include "libcommon/oci/image.h"
#include "libcommon/oci/reference.h"
#include "libcommon/trust/signature.h"

namespace proa::transport {

// The bytes of a manifest or index as they were stored; never re-encoded on the way.
struct ManifestBytes {
  std::string bytes;
  std::string
      media_type;  // as declared beside the bytes (Content-Type, descriptor); empty when only the bytes themselves tell

  oci::Digest digest() const;  // sha256 of `bytes`
};

// One image, or an index of several, opened for reading. Destroying it ends all access; sources made by blob() must not
// outlive it.
class ImageSource {
 public:
  virtual ~ImageSource() = default;

  // As a user would type it: "docker://localhost:5000/app:1", "oci:/tmp/layout:tag". For messages.
  virtual std::string name() const = 0;
  // The docker reference of the image where the transport has one.
  virtual std::optional<oci::Reference> docker_reference() const { return std::nullopt; }
  // Where policy.json speaks of images from here. Without a default: a transport that forgot it would have no policy.
  virtual config::PolicyScope policy_scope() const = 0;

  // The top manifest or index (no `instance`), or the manifest of an instance that an index lists. At most
  // oci::kMaxManifestSize bytes; for an instance, and for a name that holds a digest, the bytes have been compared with
  // that digest (Corrupt). Not found: NotFound.
  ManifestBytes manifest(const std::optional<oci::Digest>& instance, std::stop_token stop) const;

  // A config or layer. The result verifies size and digest as it is read and throws Corrupt at the latest instead of
  // its end. May be called, and the results read, from concurrent_blobs() threads at once. A source that reads over a
  // network resumes and retries below this interface: what comes out is one unbroken stream.
  std::unique_ptr<io::Source> blob(const oci::Descriptor& blob, std::stop_token stop) const;
  // What follows `offset`: for who has the beginning already and checks the digest over all of it. NOT verified.
  std::unique_ptr<io::Source> unverified_rest(const oci::Descriptor& blob, std::uint64_t offset,
                                              std::stop_token stop) const {
    return open_blob_rest(blob, offset, std::move(stop));
  }

  // What is stored beside the manifest of this digest to sign it, as it is: nothing is checked yet. `instance`: as
  // given to manifest(). LimitExceeded beyond the ceilings of trust/signature.h.
  virtual std::vector<trust::Signature> signatures(const oci::Digest& manifest,
                                                   const std::optional<oci::Digest>& instance,
                                                   std::stop_token stop) const;

  virtual unsigned concurrent_blobs() const { return 3; }
  // False where the layers of the manifest were made up while reading (docker-archive): their digests mean nothing to
  // other places.
  virtual bool manifest_is_original() const { return true; }

 protected:
  // `expected` is given when the caller knows the digest; the checks are done by the functions above.
  virtual ManifestBytes read_manifest(const std::optional<oci::Digest>& instance, std::stop_token stop) const = 0;
  virtual std::unique_ptr<io::Source> open_blob(const oci::Descriptor& blob, std::stop_token stop) const = 0;
  // Reads and drops what comes before; to be overridden where that costs.
  virtual std::unique_ptr<io::Source> open_blob_rest(const oci::Descriptor& blob, std::uint64_t offset,
                                                     std::stop_token stop) const;
};

enum class LayerCompression {
  Keep,        // layers are stored as they come
  Compress,    // uncompressed layers are compressed on the way unless the user wants otherwise
  Decompress,  // only plain tar
};

enum class SignatureStorage {
  None,     // it cannot hold any: a signed image loses them only if the user says so
  Dropped,  // signatures are checked at the door and not kept (the store)
  Kept,
};

struct DestinationTraits {
  std::vector<std::string> manifest_types;  // what may be stored, best first; empty: anything
  bool accepts_index = true;                // more than one instance under one name
  LayerCompression layers = LayerCompression::Keep;
  bool accepts_zstd = true;
  unsigned concurrent_blobs = 3;
  // Layers need BlobUse::diff_id and chain_id, and the config must come before them (the store applies layers while
  // they arrive).
  bool applies_layers = false;
  SignatureStorage signatures = SignatureStorage::None;
};

// What a blob is for. Only destinations that apply layers look at more than `kind`.
struct BlobUse {
  enum class Kind { Config, Layer } kind = Kind::Layer;
  std::size_t layer_index = 0;
  std::optional<oci::DiffId> diff_id;
  std::optional<oci::ChainId> chain_id;
  std::shared_ptr<const std::vector<oci::DiffId>> all_diff_ids;  // of the image, bottom first
};

// What put_blob() is told in advance. Without digest and size the content is made while it streams (compression on
// push) and the destination learns both at the end.
struct BlobPlan {
  std::string media_type;
  std::optional<oci::Digest> digest;
  std::optional<std::uint64_t> size;
  BlobUse use;
  // Where the content can be had again (empty: it cannot): opens it anew, from an offset on, so that a broken upload,
  // or a download that was cut in an earlier run, goes on. Not verified: only the digest over the whole tells.
  std::function<std::unique_ptr<io::Source>(std::uint64_t offset)> reopen;
};

struct StoredBlob {
  oci::Digest digest;
  std::uint64_t size = 0;
};

// A place that an image is being written to. Order: any number of try_reuse()/put_blob(), then put_manifest() once for
// each instance, then put_index() if there are several, then commit(). Destroyed without commit() nothing new is
// visible under any name.
class ImageDestination {
 public:
  virtual ~ImageDestination() = default;

  virtual std::string name() const = 0;
  virtual std::optional<oci::Reference> docker_reference() const { return std::nullopt; }
  virtual const DestinationTraits& traits() const = 0;

  // Told before commit(): the image came from this docker reference, where its top manifest or index has this digest.
  virtual void set_origin(const oci::Reference& name, const oci::Digest& top);

  // The layers of one image, bottom first, before the first of them. Waits while another process makes one of them
  // here.
  virtual void announce_layers(const std::vector<BlobUse>& layers, std::stop_token stop);

  // The content of a config that is here already and is what its digest says: it need not be fetched again.
  virtual std::optional<std::string> present_config(const oci::Descriptor& config);

  // True: the destination has exactly this blob (or could get it without our bytes, as by a cross-repository mount from
  // `from`), and nothing needs to be sent. From traits().concurrent_blobs threads at once.
  virtual bool try_reuse(const oci::Descriptor& blob, const BlobUse& use, const std::optional<oci::Reference>& from,
                         std::stop_token stop) = 0;

  // Stores `content`, read to its end. When plan.digest is set the result equals it, else Corrupt is thrown; on any
  // error, including a mismatch found at the end of the stream, nothing of this blob remains reachable. From
  // traits().concurrent_blobs threads at once.
  virtual StoredBlob put_blob(const BlobPlan& plan, io::Source& content, std::stop_token stop) = 0;

  // `instance`: digest of this manifest when an index will name it; nullopt when it is the image itself. The config and
  // all layers of the manifest are stored already.
  virtual void put_manifest(const ManifestBytes& manifest, const std::optional<oci::Digest>& instance,
                            std::stop_token stop) = 0;
  // Signatures of a manifest or index that was put, or, for the top one, will be visible with commit(). Added to what
  // is there already. Only where the traits say Kept.
  virtual void put_signatures(const std::vector<trust::Signature>& signatures, const oci::Digest& manifest,
                              const std::optional<oci::Digest>& instance, std::stop_token stop);
  // The index of several instances. Lists instances that were not copied only where the user asked for that.
  virtual void put_index(const ManifestBytes& index, std::stop_token stop);

  // Makes everything visible under its name, durably. Nothing else may be called afterwards.
  virtual void commit(std::stop_token stop) = 0;
};

}  // namespace proa::transport
