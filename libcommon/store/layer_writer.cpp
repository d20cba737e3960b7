// Layers on their way into the store.
#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/store/layer_record.h"
#include "libcommon/store/transaction_state.h"
#include "libcommon/store/tree.h"

namespace proa::store {

namespace call = os::store_call;

struct LayerWriter::State {
  std::shared_ptr<Transaction::State> transaction;
  os::Path name;  // of the directory below staging; diff/ is in it
  os::Dir diff;
  bool adopted = false;
  bool done = false;
};

namespace {

os::Dir open_diff(const Transaction::State& transaction, const os::Path& name) {
  const os::Path path = name + "/diff";
  return os::Dir(os::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, transaction.staging.fd()),
                 transaction.staging_path(path));
}

}  // namespace

LayerWriter::LayerWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
LayerWriter::LayerWriter(LayerWriter&&) noexcept = default;
LayerWriter::~LayerWriter() {
  if (state_ && !state_->done) call::try_remove_tree(state_->name, state_->transaction->staging.fd());
}

const os::Dir& LayerWriter::diff() const { return state_->diff; }

LayerWriter Transaction::begin_layer() {
  os::Path name;
  {
    std::lock_guard guard(state_->mutex);
    name = state_->fresh_name("new");
  }
  const int at = state_->staging.fd();
  call::make_dir(name, at);
  call::make_dir(name + "/diff", at, 0755);
  auto state = std::make_unique<LayerWriter::State>(LayerWriter::State{state_, name, open_diff(*state_, name)});
  // The mode of the container's root directory; mkdir subtracts the umask.
  call::set_mode(state->diff.fd(), 0755, state->diff.name());
  return LayerWriter(std::move(state));
}

oci::ChainId LayerWriter::commit(const std::vector<oci::DiffId>& stack, const std::optional<oci::Digest>& blob) {
  PROA_CHECK(!stack.empty() && !state_->done);
  Transaction::State& transaction = *state_->transaction;
  TreeSummary summary = summarize_tree(state_->diff.fd(), state_->diff.name());
  std::vector<oci::ChainId> chains = oci::chain_ids(stack, io::digest_of);
  LayerRecord record{.chain = chains.back(),
                     .diff_id = stack.back(),
                     .stack = chains,
                     .blob = blob,
                     .size = summary.size,
                     .entries = summary.entries,
                     .owners = transaction.owners,
                     .fingerprint = std::move(summary.fingerprint),
                     .boot_id = transaction.boot,
                     .adopted = state_->adopted};
  const int at = transaction.staging.fd();
  os::StoreFile file = os::StoreFile::create(state_->name + "/layer.json", at);
  file.write(encode_layer_record(record));

  std::lock_guard guard(transaction.mutex);
  // Another thread may have made the same layer: theirs serves, ours goes with the destructor.
  if (call::rename_new(state_->name, at, staged_layer(record.chain), at)) {
    state_->done = true;
    transaction.layers.insert_or_assign(record.chain, record);
  }
  return record.chain;
}

oci::ChainId LayerWriter::commit(const std::optional<oci::ChainId>& parent, const oci::DiffId& diff_id,
                                 const std::optional<oci::Digest>& blob) {
  std::vector<oci::DiffId> stack;
  if (parent) {
    std::lock_guard guard(state_->transaction->mutex);
    for (const oci::ChainId& chain : state_->transaction->need_layer(*parent).stack) {
      stack.push_back(state_->transaction->need_layer(chain).diff_id);
    }
  }
  stack.push_back(diff_id);
  return commit(stack, blob);
}

oci::ChainId Transaction::adopt_layer(const os::Path& upper, const std::optional<oci::ChainId>& parent,
                                      const oci::DiffId& diff_id, const std::optional<oci::Digest>& blob) {
  os::Path name;
  {
    std::lock_guard guard(state_->mutex);
    name = state_->fresh_name("new");
  }
  const int at = state_->staging.fd();
  call::make_dir(name, at);
  call::rename(upper, AT_FDCWD, name + "/diff", at);
  LayerWriter writer(std::make_unique<LayerWriter::State>(
      LayerWriter::State{state_, name, open_diff(*state_, name), /*adopted=*/true}));
  return writer.commit(parent, diff_id, blob);
}

}  // namespace proa::store
