// Making the store hold what it says again.
#include <algorithm>
#include <map>

#include "libcommon/base/error.h"
#include "libcommon/base/random.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/store/check.h"
#include "libcommon/store/gc.h"
#include "libcommon/store/holds.h"
#include "libcommon/store/index_edit.h"
#include "libcommon/store/layout.h"
#include "libcommon/store/reachable.h"
#include "libcommon/store/remake.h"
#include "libcommon/store/writer.h"

namespace proa::store {
namespace {

namespace call = os::store_call;
using Kind = Finding::Kind;

// How a layer can be made again, from the image that needs it.
struct Recipe {
  std::vector<oci::DiffId> stack;  // diff ids from the bottom to this layer
  oci::Digest blob;
};

class Repairer {
 public:
  Repairer(const Store& store, const CheckOptions& options) : store_(store), options_(options) {}

  RepairReport run() {
    report_.findings = check(store_, options_);
    set_bad_blobs_aside();
    if (has(Kind::BadIndex)) rebuild_index();
    collect_recipes();
    for (const Finding& finding : report_.findings) {
      if (finding.kind == Kind::BadLayer || finding.kind == Kind::MissingLayer) {
        repair_layer(oci::ChainId(oci::Digest::parse(finding.object)));
      }
    }
    if (has(Kind::OtherIds)) renew_images();
    drop_broken_images();
    collect(store_);
    return std::move(report_);
  }

 private:
  bool has(Kind kind) const {
    return std::any_of(report_.findings.begin(), report_.findings.end(),
                       [&](const Finding& finding) { return finding.kind == kind; });
  }

  void did(std::string action) { report_.actions.push_back(std::move(action)); }

  // Absent, it is fetched again by the next pull; damaged, it would be passed on.
  void set_bad_blobs_aside() {
    os::FileLock guard = lock_exclusive(store_.root());
    for (const Finding& finding : report_.findings) {
      if (finding.kind != Kind::BadBlob) continue;
      const oci::Digest digest = oci::Digest::parse(finding.object);
      const os::Path target = layout::kTrash + "/blob-" + std::string(digest.hex()) + "-" + random_hex(4);
      if (call::rename_if_exists(layout::blob_path(digest), store_.fd(), target, store_.fd()))
        did("blob " + digest.str() + ": removed");
    }
    call::sync_dir(layout::kBlobs + "/sha256", store_.fd());
  }

  // Entries that can be read stay. When the file itself was lost, images come back without names: each manifest that is
  // whole.
  void rebuild_index() {
    std::vector<std::string> problems;
    auto text = os::try_read_file(layout::kIndex, layout::kMaxIndexSize, store_.fd());
    ImageTable table = parse_index_leniently(text.value_or("{}"), problems);
    const bool lost = table.entries.empty() && table.foreign.empty();
    std::erase_if(table.entries, [&](const IndexEntry& entry) { return contradicts(entry.image); });
    if (lost) find_nameless_images(table);
    os::FileLock guard = lock_exclusive(store_.root());
    const os::Path fresh = layout::kIndex + ".new";
    call::unlink(fresh, store_.fd());
    os::StoreFile file = os::StoreFile::create(fresh, store_.fd());
    file.write(encode_index(table));
    file.sync();
    call::rename(fresh, store_.fd(), layout::kIndex, store_.fd());
    call::sync_dir(layout::kImages, store_.fd());
    did(lost ? "index.json: written again; images have lost their names"
             : "index.json: entries that could not be read are removed");
  }

  bool contradicts(const StoredImage& image) const {
    return std::any_of(report_.findings.begin(), report_.findings.end(), [&](const Finding& finding) {
      return finding.kind == Kind::BadIndex && finding.object == image.manifest.digest.str();
    });
  }

  void find_nameless_images(ImageTable& table) {
    for (const std::string& hex : os::list_dir(os::join(store_.root(), layout::kBlobs + "/sha256"))) {
      auto digest = oci::Digest::try_parse("sha256:" + hex);
      if (!digest || store_.blob_size(*digest).value_or(UINT64_MAX) > oci::kMaxManifestSize) continue;
      try {
        add_image(table, describe(*digest));
      } catch (const Error&) {
        // Not a manifest, or not a whole image.
      }
    }
  }

  StoredImage describe(const oci::Digest& digest) const {
    oci::Manifest manifest = oci::Manifest::parse(read_verified_blob(store_, digest, oci::kMaxManifestSize));
    const auto config =
        oci::ImageConfig::parse(read_verified_blob(store_, manifest.config.digest, oci::kMaxConfigSize));
    StoredImage image{.id = oci::ImageId(manifest.config.digest),
                      .manifest = {.media_type = manifest.media_type,
                                   .digest = digest,
                                   .size = manifest.raw.size(),
                                   .urls = {},
                                   .annotations = {},
                                   .platform = config.platform,
                                   .artifact_type = {}},
                      .names = {},
                      .repo_digests = {},
                      .created = config.created,
                      .size = 0,
                      .top_layer = {}};
    const std::vector<oci::ChainId> chains = oci::chain_ids(config.diff_ids, io::digest_of);
    for (const oci::ChainId& chain : chains) {
      auto record = store_.layer(chain);
      if (!record) throw Error(ErrorCode::NotFound, "layer " + chain.str());
      image.size += record->size;
    }
    if (!chains.empty()) image.top_layer = chains.back();
    return image;
  }

  void collect_recipes() {
    for (const IndexEntry& entry : read_index(store_).entries) {
      try {
        const auto manifest =
            oci::Manifest::parse(read_verified_blob(store_, entry.image.manifest.digest, oci::kMaxManifestSize));
        const auto config =
            oci::ImageConfig::parse(read_verified_blob(store_, manifest.config.digest, oci::kMaxConfigSize));
        const std::vector<oci::ChainId> chains = oci::chain_ids(config.diff_ids, io::digest_of);
        if (chains.size() != manifest.layers.size()) continue;
        for (std::size_t i = 0; i < chains.size(); ++i) {
          auto end = config.diff_ids.begin() + static_cast<std::ptrdiff_t>(i) + 1;
          recipes_.insert_or_assign(chains[i], Recipe{{config.diff_ids.begin(), end}, manifest.layers[i].digest});
        }
      } catch (const Error&) {
        // Its manifest or config is lost: dropped below.
      }
    }
  }

  void repair_layer(const oci::ChainId& chain) {
    auto recipe = recipes_.find(chain);
    if (recipe == recipes_.end()) return remove_layer(chain, "no image needs it");
    try {
      Transaction transaction = Transaction::begin(store_, options_.owners);
      transaction.claim_layers({chain});
      transaction.distrust(chain);
      LayerWriter layer = transaction.begin_layer();
      unpack_blob(store_, recipe->second.blob, recipe->second.stack.back(), options_.owners, layer.diff());
      layer.commit(recipe->second.stack, recipe->second.blob);
      transaction.commit();
      did("layer " + chain.str() + ": made again");
    } catch (const Error& error) {
      if (error.code() == ErrorCode::NoSpace) throw;  // an intact blob may still make it: nothing is given up
      remove_layer(chain, error.message());
    }
  }

  void renew_images() {
    for (const IndexEntry& entry : read_index(store_).entries) {
      try {
        const std::size_t count = renew_layers(store_, entry.image, options_.owners);
        if (count == 0) continue;
        did("image " + name_of(entry.image) + ": layers unpacked with all ids: " + std::to_string(count));
      } catch (const Error& error) {
        if (error.code() == ErrorCode::NoSpace) throw;
        did("image " + name_of(entry.image) + ": layers stay with one mapped id (" + error.message() + ")");
      }
    }
  }

  static std::string name_of(const StoredImage& image) {
    return image.names.empty() ? image.id.digest().short_id() : image.names.front();
  }

  void remove_layer(const oci::ChainId& chain, const std::string& reason) {
    os::FileLock guard = lock_exclusive(store_.root());
    const os::Path target = layout::kTrash + "/layer-" + std::string(chain.hex()) + "-" + random_hex(4);
    if (!call::rename_if_exists(layout::layer_path(chain), store_.fd(), target, store_.fd())) return;
    call::sync_dir(layout::kLayers, store_.fd());
    did("layer " + chain.str() + ": removed (" + reason + ")");
  }

  // An image that cannot run any more is worth less than its absence, which makes a pull bring it. One that only lacks
  // the blob of a layer still runs, so it stays.
  void drop_broken_images() {
    std::vector<StoredImage> broken;
    for (const IndexEntry& entry : read_index(store_).entries) {
      if (!is_runnable(entry.image)) broken.push_back(entry.image);
    }
    if (broken.empty()) return;
    update_index(store_, Purpose::Remove, [&](ImageTable& table) {
      for (const StoredImage& image : broken) {
        std::erase_if(table.entries,
                      [&](const IndexEntry& entry) { return entry.image.manifest.digest == image.manifest.digest; });
      }
    });
    for (const StoredImage& image : broken) {
      did("image " + name_of(image) + ": removed, it is not whole; pull it again");
    }
  }

  bool is_runnable(const StoredImage& image) const {
    try {
      Needs needs;
      add_needs(store_, image.manifest.digest, needs);
      return std::all_of(needs.layers.begin(), needs.layers.end(),
                         [&](const oci::ChainId& chain) { return store_.layer(chain).has_value(); });
    } catch (const Error&) {
      return false;
    }
  }

  const Store& store_;
  const CheckOptions& options_;
  std::map<oci::ChainId, Recipe> recipes_;
  RepairReport report_;
};

}  // namespace

RepairReport repair(const Store& store, const CheckOptions& options) { return Repairer(store, options).run(); }

}  // namespace proa::store
