#include "tests/support/store_images.h"

#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"

namespace proa::store {
namespace {

oci::Digest hash(std::string_view text) { return io::digest_of(text); }

std::string descriptor(std::string_view type, const std::string& content) {
  return "{\"mediaType\":\"" + std::string(type) + "\",\"digest\":\"" + hash(content).str() +
         "\",\"size\":" + std::to_string(content.size()) + "}";
}

}  // namespace

std::string TestImage::blob(const TestLayer& layer) {
  std::string bytes;
  for (const auto& [path, content] : layer.files) bytes += path + "\n" + content + "\n";
  return bytes;
}

std::vector<oci::DiffId> TestImage::diff_ids() const {
  std::vector<oci::DiffId> ids;
  for (const TestLayer& layer : layers) ids.emplace_back(hash(blob(layer)));
  return ids;
}

std::vector<oci::ChainId> TestImage::chain_ids() const { return oci::chain_ids(diff_ids(), hash); }

std::string TestImage::config() const {
  std::string ids;
  for (const oci::DiffId& id : diff_ids()) ids += (ids.empty() ? "\"" : ",\"") + id.str() + "\"";
  return "{\"created\":\"" + created +
         "\",\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" +
         ids + "]}}";
}

std::string TestImage::manifest() const {
  std::string list;
  for (const TestLayer& layer : layers) list += (list.empty() ? "" : ",") + descriptor(oci::kOciLayer, blob(layer));
  return "{\"schemaVersion\":2,\"mediaType\":\"" + std::string(oci::kOciManifest) +
         "\",\"config\":" + descriptor(oci::kOciConfig, config()) + ",\"layers\":[" + list + "]}";
}

TestImage small_image(const std::string& seed, int layers) {
  TestImage image;
  for (int i = 0; i < layers; ++i) {
    const std::string n = std::to_string(i);
    image.layers.push_back(
        {{{"bin/tool" + n, "program of " + seed + n}, {"etc/conf" + n, "a=" + seed}, {"empty", ""}}});
  }
  return image;
}

void unpack(const TestLayer& layer, const os::Dir& diff) {
  for (const auto& [path, content] : layer.files) {
    auto slash = path.find_last_of('/');
    if (slash != std::string::npos) diff.make_dirs_in_root(path.substr(0, slash));
    os::write_all(diff.open_in_root(path, O_WRONLY | O_CREAT | O_EXCL, 0644).get(), content, path);
  }
}

StoredImage put(const Store& store, const TestImage& image, const std::vector<std::string>& names,
                const std::string& cache_key, const std::string& owners) {
  Transaction transaction = Transaction::begin(store, owners);
  const std::vector<oci::ChainId> chains = image.chain_ids();
  const std::vector<oci::DiffId> diffs = image.diff_ids();
  transaction.claim_layers(chains);
  for (std::size_t i = 0; i < chains.size(); ++i) {
    const std::string bytes = TestImage::blob(image.layers[i]);
    const oci::Digest digest = hash(bytes);
    if (!transaction.has_blob(digest, bytes.size())) {
      BlobWriter writer = transaction.begin_blob(digest, bytes.size());
      writer.write(io::as_bytes(std::string_view(bytes).substr(writer.offset())));
      writer.commit();
    }
    if (transaction.has_layer(chains[i])) continue;
    LayerWriter layer = transaction.begin_layer();
    unpack(image.layers[i], layer.diff());
    layer.commit(std::vector(diffs.begin(), diffs.begin() + static_cast<std::ptrdiff_t>(i) + 1), digest);
  }
  transaction.put_blob(image.config());
  ImageOptions options;
  for (const std::string& name : names) options.names.push_back(oci::Reference::parse_normalized(name));
  options.cache_key = cache_key;
  StoredImage stored = transaction.put_image(image.manifest(), oci::kOciManifest, options);
  transaction.commit();
  return stored;
}

}  // namespace proa::store
