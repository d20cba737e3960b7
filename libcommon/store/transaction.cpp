#include <algorithm>
#include <mutex>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/store/gc.h"
#include "libcommon/store/holds.h"
#include "libcommon/store/layer_record.h"
#include "libcommon/store/layout.h"
#include "libcommon/store/transaction_state.h"
#include "libcommon/store/tree.h"
#include "libcommon/store/writer.h"

namespace proa::store {
namespace {

namespace call = os::store_call;

// Blobs up to this size are hashed whenever they are reused: manifests and configs, whose damage would break the image
// at once.
constexpr std::uint64_t kHashedOnReuse = 1u << 20;

// Once in a process, whatever the number of layers and transactions.
void note_fewer_ids() {
  static std::once_flag told;
  std::call_once(told, [] {
    log::note(
        "layers in the store were unpacked with more ids than this user has now: their files of other owners are "
        "out of reach; `proa system check` names them");
  });
}

}  // namespace

std::string owners_word(os::IdMode mode) {
  switch (mode) {
    case os::IdMode::Root:
      return "root";
    case os::IdMode::Full:
      return "full";
    case os::IdMode::Single:
      break;
  }
  return "single";
}

Transaction::State::State(const Store& store_, std::string owners_, Lease lease_, os::Dir staging_)
    : store(store_),
      owners(std::move(owners_)),
      boot(boot_id()),
      lease(std::move(lease_)),
      staging(std::move(staging_)) {}

std::string Transaction::State::fresh_name(std::string_view prefix) {
  return std::string(prefix) + "-" + std::to_string(counter++);
}

void Transaction::State::find_predecessors() {
  predecessors.clear();
  for (std::string& id : dead_stagings(store)) {
    if (is_of_this_boot(store, id)) predecessors.push_back(std::move(id));
  }
}

bool Transaction::State::take_over(const os::Path& name) {
  for (const std::string& id : predecessors) {
    const os::Path from = layout::kStaging + "/" + id + "/" + name;
    // Somebody else may take it, or sweep it, between the look and the rename.
    if (os::exists(from, store.fd()) && call::rename_if_exists(from, store.fd(), name, staging.fd())) return true;
  }
  return false;
}

bool Transaction::State::stored_blob_is_sound(const oci::Digest& digest, std::optional<std::uint64_t> size) const {
  auto stored = store.blob_size(digest);
  if (!stored || (size && *size != *stored)) return false;
  if (*stored > kHashedOnReuse) return true;
  return io::digest_of(io::as_bytes(store.read_blob(digest, kHashedOnReuse)), digest.algorithm()) == digest;
}

bool Transaction::State::has_blob(const oci::Digest& digest, std::optional<std::uint64_t> size) {
  if (auto staged = blobs.find(digest); staged != blobs.end()) return !size || *size == staged->second;
  if (lease.hold_blob(digest) && !damaged_blobs.contains(digest)) {
    if (stored_blob_is_sound(digest, size)) return true;
    damaged_blobs.insert(digest);
  }
  if (!take_over(staged_blob(digest))) return false;
  auto taken = static_cast<std::uint64_t>(os::stat(staged_blob(digest), staging.fd()).st_size);
  blobs.emplace(digest, taken);
  return !size || *size == taken;
}

bool Transaction::State::stored_layer_is_sound(const LayerRecord& record) const {
  // Nothing is visible before it is durable, so a reboot alone is no reason for doubt; but it is a good moment to look.
  if (record.boot_id == boot || record.owners != owners) return true;
  os::UniqueFd diff = os::open(store.layer_diff(record.chain), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  return summarize_tree(diff.get(), record.chain.str()).fingerprint == record.fingerprint;
}

std::optional<LayerRecord> Transaction::State::find_stored_layer(const oci::ChainId& chain) {
  if (damaged_layers.contains(chain)) return std::nullopt;
  try {
    lease.hold_layer(chain);
    auto record = store.layer(chain);
    if (record && is_outdated(*record, owners)) {
      outdated_layers.insert_or_assign(chain, std::move(*record));
      return std::nullopt;
    }
    if (record && record->owners != owners) note_fewer_ids();
    if (record && stored_layer_is_sound(*record)) return record;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::NotFound) return std::nullopt;
    if (error.code() != ErrorCode::Corrupt) throw;
  }
  log::note("layer " + chain.digest().short_id() + " in the store is damaged and will be made again");
  damaged_layers.insert(chain);
  return std::nullopt;
}

std::optional<LayerRecord> Transaction::State::find_layer(const oci::ChainId& chain) {
  if (auto staged = layers.find(chain); staged != layers.end()) return staged->second;
  if (auto known = reused.find(chain); known != reused.end()) return known->second;
  if (auto record = find_stored_layer(chain)) return reused.emplace(chain, std::move(*record)).first->second;
  if (!take_over(staged_layer(chain))) return std::nullopt;
  // Without its record it was not finished.
  auto record = read_layer_record(staged_layer(chain), staging.fd(), chain);
  if (!record || record->owners != owners) {
    call::try_remove_tree(staged_layer(chain), staging.fd());
    return std::nullopt;
  }
  return layers.emplace(chain, *record).first->second;
}

LayerRecord Transaction::State::need_layer(const oci::ChainId& chain) {
  auto record = find_layer(chain);
  if (!record) {
    if (auto old = outdated_layers.find(chain); old != outdated_layers.end()) return old->second;
  }
  if (!record) throw Error(ErrorCode::NotFound, "layer " + chain.str() + " is not in the store");
  return std::move(*record);
}

Transaction::Transaction(std::shared_ptr<State> state) : state_(std::move(state)) {}
Transaction::Transaction(Transaction&&) noexcept = default;
const Store& Transaction::store() const { return state_->store; }

Transaction Transaction::begin(const Store& store, std::string owners) {
  Lease lease = Lease::create(store);
  lease.note("boot " + boot_id());
  const os::Path path = os::join(layout::kStaging, lease.id());
  call::make_dir(path, store.fd());
  os::Dir staging(os::open(path, O_RDONLY | O_DIRECTORY, 0, store.fd()), os::join(store.root(), path));
  auto state = std::make_shared<State>(store, std::move(owners), std::move(lease), std::move(staging));
  state->find_predecessors();
  return Transaction(std::move(state));
}

Transaction::~Transaction() {
  if (!state_) return;
  State& state = *state_;
  const Store& store = state.store;
  if (state.keep && !state.committed) {
    state.lease.leave_behind();
    return;
  }
  call::try_remove_tree(os::join(layout::kStaging, state.lease.id()), store.fd());
  // A commit that failed half-way has moved things into the store that nothing names.
  const bool half_done = state.moved && !state.committed;
  state_.reset();  // ends the lease, which holds them
  try {
    half_done ? void(collect(store)) : sweep_staging(store);
  } catch (const Error& error) {
    log::debug(error.text());
  }
}

void Transaction::keep_for_resume() { state_->keep = true; }

void Transaction::claim_layers(const std::vector<oci::ChainId>& chains) {
  State& state = *state_;
  PROA_CHECK(!std::exchange(state.claimed, true));
  // Layers that are there need no maker: pulls of images on one base do not wait for each other.
  std::vector<oci::ChainId> missing;
  std::copy_if(chains.begin(), chains.end(), std::back_inserter(missing),
               [&](const oci::ChainId& chain) { return !os::exists(layout::record_path(chain), state.store.fd()); });
  state.claims.acquire(missing, os::join(state.store.root(), layout::kLayerLocks));
  // Those we waited for may have died.
  std::lock_guard guard(state.mutex);
  state.find_predecessors();
}

bool Transaction::has_blob(const oci::Digest& digest, std::optional<std::uint64_t> size) {
  std::lock_guard guard(state_->mutex);
  return state_->has_blob(digest, size);
}

void Transaction::distrust(const oci::Digest& blob) {
  std::lock_guard guard(state_->mutex);
  state_->damaged_blobs.insert(blob);
}

void Transaction::distrust(const oci::ChainId& layer) {
  std::lock_guard guard(state_->mutex);
  state_->damaged_layers.insert(layer);
  state_->reused.erase(layer);
}

bool Transaction::has_layer(const oci::ChainId& chain) {
  std::lock_guard guard(state_->mutex);
  return state_->find_layer(chain).has_value();
}

std::uint64_t Transaction::layer_size(const oci::ChainId& chain) {
  std::lock_guard guard(state_->mutex);
  return state_->need_layer(chain).size;
}

std::vector<os::Path> Transaction::overlay_lowers(const oci::ChainId& top) {
  std::lock_guard guard(state_->mutex);
  const LayerRecord record = state_->need_layer(top);
  std::vector<os::Path> paths;
  for (auto chain = record.stack.rbegin(); chain != record.stack.rend(); ++chain) {
    state_->need_layer(*chain);
    bool staged = state_->layers.contains(*chain);
    paths.push_back(staged ? state_->staging_path(staged_layer(*chain)) + "/diff" : state_->store.layer_diff(*chain));
  }
  return paths;
}

os::Path Transaction::make_scratch_dir(std::string_view purpose) {
  std::lock_guard guard(state_->mutex);
  os::Path name = state_->fresh_name("scratch") + "-" + std::string(purpose);
  call::make_dir(name, state_->staging.fd());
  return state_->staging_path(name);
}

}  // namespace proa::store
