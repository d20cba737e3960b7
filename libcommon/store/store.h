// The store, seen by readers: images, layers on disk, overlay lower directories. docs/disk-layout.md describes the
// files. Nothing reachable from here links openssl or libarchive; writing is in writer.h, gc.h and check.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/oci/digest.h"
#include "libcommon/oci/image.h"
#include "libcommon/os/dir.h"

namespace proa::store {

// One image: one manifest with all its names.
struct StoredImage {
  oci::ImageId id;
  oci::Descriptor manifest;               // digest, media type, size; with the image's platform
  std::vector<std::string> names;         // canonical: "docker.io/library/hello:latest"; empty: a dangling image
  std::vector<std::string> repo_digests;  // "docker.io/library/hello@sha256:...": as it was pulled or pushed
  std::optional<std::string> created;     // RFC 3339, as the config has it
  std::uint64_t size = 0;                 // bytes of all its unpacked layers
  std::optional<oci::ChainId> top_layer;  // nullopt: an image without layers
};

// layers/<chain>/layer.json
struct LayerRecord {
  oci::ChainId chain;
  oci::DiffId diff_id;
  std::vector<oci::ChainId> stack;  // all layers from the bottom to this one, which is the last
  std::optional<oci::Digest> blob;  // the layer's blob as it came; its content makes the layer again
  std::uint64_t size = 0;           // bytes of regular files
  std::uint64_t entries = 0;
  std::string owners;  // how owners of files are kept: "root", "full" or "single" (os::IdMode when it was unpacked)
  std::string fingerprint;  // digest over paths, types, modes, owners, sizes and times; see tree.h
  std::string boot_id;      // the boot that unpacked it
  bool adopted = false;     // was the upper directory of a build step, not unpacked from its blob
};

class Store {
 public:
  enum class Create { No, Yes };

  // Opens the store below `root`. Checks owner, mode (0700), kind of file system and version of the layout; reads no
  // directory. Throws NotFound when there is none and Create::No is given, PermissionDenied or Unsupported when it may
  // not be used.
  static Store open(const os::Path& root, Create create);
  // nullopt: no store there, so there are no images.
  static std::optional<Store> try_open(const os::Path& root);

  // All images, newest first.
  std::vector<StoredImage> list() const;
  // By familiar or canonical name (":latest" is added), name@digest, id, or unique prefix of an id (with or without
  // "sha256:"). Throws InvalidArgument for text that can be no image, and for a prefix that fits several.
  std::optional<StoredImage> find(std::string_view text) const;
  // As find(), but throws NotFound.
  StoredImage get(std::string_view text) const;
  std::optional<StoredImage> find_id(const oci::ImageId& id) const;
  // The result of a build step that was kept under this key (writer.h, ImageOptions::cache_key).
  std::optional<StoredImage> find_cached(std::string_view cache_key) const;
  std::vector<std::pair<std::string, StoredImage>> list_cached() const;

  oci::Manifest manifest(const StoredImage& image) const;
  oci::ImageConfig config(const StoredImage& image) const;
  // Bottom first.
  std::vector<LayerRecord> layers(const StoredImage& image) const;
  std::optional<LayerRecord> layer(const oci::ChainId& chain) const;

  // The diff directories for an overlay mount, top first, absolute. One file is read. NotFound: a layer is missing.
  std::vector<os::Path> overlay_lowers(const StoredImage& image) const;
  std::vector<os::Path> overlay_lowers(const oci::ChainId& top) const;

  // A blob of at most `max_size` bytes as text, and a descriptor of any blob. Not verified: see open_blob in writer.h.
  std::string read_blob(const oci::Digest& digest, std::uint64_t max_size) const;
  os::UniqueFd open_blob_file(const oci::Digest& digest) const;
  std::optional<std::uint64_t> blob_size(const oci::Digest& digest) const;

  const os::Path& root() const { return root_.name(); }
  int fd() const { return root_.fd(); }
  os::Path image_layout() const;  // the folder that other tools may read as oci:
  os::Path layer_dir(const oci::ChainId& chain) const;
  os::Path layer_diff(const oci::ChainId& chain) const;

 private:
  explicit Store(os::Dir root) : root_(std::move(root)) {}
  os::Dir root_;
};

}  // namespace proa::store
