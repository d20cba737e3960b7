#include "libcommon/store/remake.h"

#include <algorithm>

#include "libcommon/archive/layer_apply.h"
#include "libcommon/base/error.h"
#include "libcommon/io/compression.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/store/layer_record.h"

namespace proa::store {
namespace {

archive::ApplyOptions options_for(const std::string& owners) {
  archive::ApplyOptions options;
  options.mode = owners == "root" ? os::IdMode::Root : owners == "full" ? os::IdMode::Full : os::IdMode::Single;
  options.whiteouts = owners == "root" ? archive::WhiteoutStyle::OverlayTrusted : archive::WhiteoutStyle::OverlayUser;
  return options;
}

// With its blob here.
bool is_renewable(const Store& store, const LayerRecord& record, const std::string& owners) {
  return is_outdated(record, owners) && record.blob && store.blob_size(*record.blob);
}

}  // namespace

void unpack_blob(const Store& store, const oci::Digest& blob, const oci::DiffId& diff_id, const std::string& owners,
                 const os::Dir& target) {
  auto plain = io::decompress_any(open_blob(store, blob));
  io::VerifyingSource tar(std::move(plain), diff_id.digest(), std::nullopt, "layer " + diff_id.str());
  archive::apply_layer(tar, target, options_for(owners));
}

LayerRemaker::LayerRemaker(const Store& store) : store_(store) {}

std::vector<TreeDifference> LayerRemaker::compare(const LayerRecord& record, const os::Dir& actual, std::size_t limit) {
  Transaction transaction = Transaction::begin(store_, record.owners);
  LayerWriter layer = transaction.begin_layer();
  unpack_blob(store_, record.blob.value(), record.diff_id, record.owners, layer.diff());
  return compare_trees(layer.diff().fd(), actual.fd(), record.adopted, limit);
}

bool has_outdated_layers(const Store& store, const StoredImage& image, const std::string& owners) {
  const std::vector<LayerRecord> layers = store.layers(image);
  return std::any_of(layers.begin(), layers.end(),
                     [&](const LayerRecord& record) { return is_renewable(store, record, owners); });
}

std::size_t renew_layers(const Store& store, const StoredImage& image, const std::string& owners) {
  Transaction transaction = Transaction::begin(store, owners);
  std::vector<oci::DiffId> stack;
  std::size_t renewed = 0;
  for (const LayerRecord& record : store.layers(image)) {
    stack.push_back(record.diff_id);
    if (!is_renewable(store, record, owners)) continue;
    LayerWriter layer = transaction.begin_layer();
    unpack_blob(store, *record.blob, record.diff_id, owners, layer.diff());
    layer.commit(stack, record.blob);
    ++renewed;
  }
  transaction.commit();
  return renewed;
}

}  // namespace proa::store
