#include "libcommon/store/remake.h"

#include "libcommon/archive/layer_apply.h"
#include "libcommon/base/error.h"
#include "libcommon/io/compression.h"
#include "libcommon/io/digest_stream.h"

namespace proa::store {
namespace {

archive::ApplyOptions options_for(const std::string& owners) {
  archive::ApplyOptions options;
  options.mode = owners == "root" ? os::IdMode::Root : owners == "full" ? os::IdMode::Full : os::IdMode::Single;
  options.whiteouts = owners == "root" ? archive::WhiteoutStyle::OverlayTrusted : archive::WhiteoutStyle::OverlayUser;
  return options;
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

}  // namespace proa::store
