#include "libcommon/store/gc.h"

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/store_file.h"
#include "libcommon/store/holds.h"
#include "libcommon/store/index_file.h"
#include "libcommon/store/layout.h"
#include "libcommon/store/reachable.h"

namespace proa::store {
namespace {

namespace call = os::store_call;

std::optional<oci::Digest> digest_of_file(std::string_view algorithm, std::string_view hex) {
  return oci::Digest::try_parse(std::string(algorithm) + ":" + std::string(hex));
}

// layers/<hex> and trash/layer-<hex>-<id> name chain ids, which are sha256.
std::optional<oci::ChainId> chain_of_name(std::string_view hex) {
  auto digest = oci::Digest::try_parse("sha256:" + std::string(hex));
  if (!digest) return std::nullopt;
  return oci::ChainId(*digest);
}

// A held layer stands for all layers below it. One that cannot be read blocks: what is below is unknown.
void add_held_layers(const Store& store, const std::set<oci::ChainId>& held, Needs& needs) {
  for (const oci::ChainId& chain : held) {
    needs.layers.insert(chain);
    auto record = store.layer(chain);
    if (record) needs.layers.insert(record->stack.begin(), record->stack.end());
  }
}

struct Marked {
  Needs named;  // by the index and by containers
  Needs leased;
  std::string blocked;

  bool keeps(const oci::Digest& blob) const { return named.blobs.contains(blob) || leased.blobs.contains(blob); }
  bool keeps(const oci::ChainId& layer) const { return named.layers.contains(layer) || leased.layers.contains(layer); }
};

class Marker {
 public:
  explicit Marker(const Store& store) : store_(store) {}

  Marked run() {
    const Holds holds = read_holds(store_);
    guarded([&] {
      ImageTable table = read_index(store_);
      std::set<oci::Digest> manifests = holds.used;
      manifests.insert(table.foreign_manifests.begin(), table.foreign_manifests.end());
      for (const IndexEntry& entry : table.entries) manifests.insert(entry.image.manifest.digest);
      add(manifests, marked_.named);
    });
    add(holds.manifests, marked_.leased);
    marked_.leased.blobs.insert(holds.blobs.begin(), holds.blobs.end());
    marked_.leased.layers.insert(holds.layers.begin(), holds.layers.end());
    guarded([&] { add_held_layers(store_, holds.layers, marked_.leased); });
    return std::move(marked_);
  }

 private:
  // What cannot be read leaves unknown what it needs: then nothing may go.
  template <typename Add>
  void guarded(const Add& add_some) {
    try {
      add_some();
    } catch (const Error& error) {
      const bool damage = error.code() == ErrorCode::Corrupt || error.code() == ErrorCode::NotFound ||
                          error.code() == ErrorCode::LimitExceeded || error.code() == ErrorCode::InvalidArgument;
      if (!damage) throw;
      if (marked_.blocked.empty()) marked_.blocked = error.text();
    }
  }

  void add(const std::set<oci::Digest>& manifests, Needs& to) {
    for (const oci::Digest& manifest : manifests) {
      guarded([&] { add_needs(store_, manifest, to); });
    }
  }

  const Store& store_;
  Marked marked_;
};

void sweep_blobs(const Store& store, const Marked& marked, GcReport& report) {
  os::Dir blobs = os::Dir::open(layout::kBlobs, store.fd());
  for (const std::string& algorithm : os::list_dir(blobs.fd(), blobs.name())) {
    os::Dir folder = os::Dir::open(algorithm, blobs.fd());
    for (const std::string& hex : os::list_dir(folder.fd(), folder.name())) {
      auto digest = digest_of_file(algorithm, hex);
      if (!digest || marked.keeps(*digest)) continue;
      report.bytes += store.blob_size(*digest).value_or(0);
      if (call::rename_if_exists(hex, folder.fd(), layout::kTrash + "/blob-" + hex + "-" + random_hex(4), store.fd()))
        ++report.blobs;
    }
  }
}

void sweep_layers(const Store& store, const Marked& marked, GcReport& report) {
  os::Dir layers = os::Dir::open(layout::kLayers, store.fd());
  for (const std::string& hex : os::list_dir(layers.fd(), layers.name())) {
    auto chain = chain_of_name(hex);
    if (!chain || marked.keeps(*chain)) continue;
    try {
      if (auto record = store.layer(*chain)) report.bytes += record->size;
    } catch (const Error&) {
      // Its size is not known; it goes all the same.
    }
    if (call::rename_if_exists(hex, layers.fd(), layout::kTrash + "/layer-" + hex + "-" + random_hex(4), store.fd()))
      ++report.layers;
  }
}

// An ownerless staging directory: something unnamed was kept for a lease, so the next command that writes has to look
// again.
const os::Path kCollectAgain = layout::kStaging + "/again";

bool is_only_leased(const Store& store, const Marked& marked) {
  for (const oci::Digest& digest : marked.leased.blobs) {
    if (!marked.named.blobs.contains(digest) && store.blob_size(digest)) return true;
  }
  for (const oci::ChainId& chain : marked.leased.layers) {
    if (!marked.named.layers.contains(chain) && os::exists(layout::layer_path(chain), store.fd())) return true;
  }
  return false;
}

void ask_for_another(const Store& store) noexcept {
  try {
    call::make_dir_if_absent(kCollectAgain, store.fd());
  } catch (const Error& error) {
    log::debug(error.text());  // a full disk: then only an explicit prune finds it
  }
}

void sweep_dead_owners(const Store& store) {
  for (const std::string& id : dead_stagings(store)) {
    call::rename_if_exists(os::join(layout::kStaging, id), store.fd(), layout::kTrash + "/staging-" + id, store.fd());
  }
  for (const std::string& id : dead_leases(store)) call::unlink(os::join(layout::kLeases, id), store.fd());
  call::unlink(layout::kIndex + ".new", store.fd());
}

// A layer that was replaced because it was damaged may still be mounted by a container.
bool is_mounted_somewhere(const std::string& name, const Needs& held) {
  if (!name.starts_with("layer-") || name.size() < 70) return false;
  auto chain = chain_of_name(std::string_view(name).substr(6, 64));
  return chain && held.layers.contains(*chain);
}

void empty_trash(const Store& store, const Needs& held) {
  os::Dir trash = os::Dir::open(layout::kTrash, store.fd());
  for (const std::string& name : os::list_dir(trash.fd(), trash.name())) {
    if (!is_mounted_somewhere(name, held)) call::try_remove_tree(name, trash.fd());
  }
}

bool is_empty(const Store& store, const os::Path& folder) {
  return os::list_dir(os::Dir::open(folder, store.fd()).fd(), folder).empty();
}

}  // namespace

GcReport collect(const Store& store) {
  GcReport report;
  Marked marked;
  {
    os::FileLock guard = lock_exclusive(store.root());
    marked = Marker(store).run();
    report.blocked = marked.blocked;
    if (report.blocked.empty()) {
      sweep_blobs(store, marked, report);
      sweep_layers(store, marked, report);
    }
    // Last: as long as one of them is there, the next command knows that there is something to collect.
    sweep_dead_owners(store);
    if (is_only_leased(store, marked)) ask_for_another(store);
  }
  empty_trash(store, marked.leased);
  return report;
}

void sweep_staging(const Store& store) {
  // An owner that is about to make its directory has its lease already, so what has no live lease is dead.
  if (!dead_stagings(store).empty() || !dead_leases(store).empty() || !is_empty(store, layout::kTrash)) collect(store);
}

}  // namespace proa::store
