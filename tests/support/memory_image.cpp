#include "tests/support/memory_image.h"

#include "libcommon/archive/archive_writer.h"
#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/transport/tree_writer.h"

namespace proa::testing {

using transport::ManifestBytes;

std::string tar_of(const std::vector<std::pair<std::string, std::string>>& files) {
  io::StringSink sink;
  archive::ArchiveWriter writer(sink);
  for (const auto& [name, content] : files) writer.add_file(name, content);
  writer.finish();
  return sink.text();
}

std::string compressed(const std::string& plain, io::Compression compression) {
  if (compression == io::Compression::None) return plain;
  io::StringSink sink;
  const auto codec = io::compress(sink, compression);
  codec->write(io::as_bytes(plain));
  codec->finish();
  return sink.text();
}

ImageSpec image_spec(const std::string& seed, int layers) {
  ImageSpec spec;
  for (int i = 0; i < layers; ++i) {
    const std::string number = std::to_string(i);
    spec.layers.push_back(
        tar_of({{"etc/" + seed + number, seed + " " + number}, {"data" + number, std::string(200000, seed.front())}}));
  }
  return spec;
}

oci::Descriptor MemoryImage::add_blob(std::string bytes, std::string_view type) {
  oci::Descriptor blob{.media_type = std::string(type), .digest = io::digest_of(bytes), .size = bytes.size()};
  blobs_[blob.digest] = std::move(bytes);
  return blob;
}

ManifestBytes MemoryImage::add(const ImageSpec& spec) {
  std::string_view type = spec.docker ? oci::kDockerLayer : oci::kOciLayer;
  if (spec.compression == io::Compression::Gzip) type = spec.docker ? oci::kDockerLayerGzip : oci::kOciLayerGzip;
  if (spec.compression == io::Compression::Zstd) type = oci::kOciLayerZstd;
  oci::ImageConfig config;
  config.created = "2026-01-02T03:04:05Z";
  config.platform = oci::Platform{.os = "linux", .architecture = spec.architecture};
  config.env = {"PATH=/bin"};
  std::vector<oci::Descriptor> layers;
  for (const auto& plain : spec.layers) {
    config.diff_ids.emplace_back(io::digest_of(plain));
    layers.push_back(add_blob(compressed(plain, spec.compression), type));
  }
  config = oci::ImageConfig::encode(std::move(config));
  oci::Manifest manifest{.media_type = std::string(spec.docker ? oci::kDockerManifest : oci::kOciManifest),
                         .config = add_blob(config.raw, spec.docker ? oci::kDockerConfig : oci::kOciConfig),
                         .layers = std::move(layers)};
  manifest = oci::Manifest::encode(std::move(manifest));
  add_blob(manifest.raw, manifest.media_type);
  return {manifest.raw, manifest.media_type};
}

void MemoryImage::make_index(const std::vector<ImageSpec>& specs, bool docker) {
  oci::Index index{.media_type = std::string(docker ? oci::kDockerManifestList : oci::kOciIndex)};
  for (const auto& spec : specs) {
    const auto manifest = add(spec);
    index.manifests.push_back({.media_type = manifest.media_type,
                               .digest = manifest.digest(),
                               .size = manifest.bytes.size(),
                               .platform = oci::Platform{.os = "linux", .architecture = spec.architecture}});
  }
  index = oci::Index::encode(std::move(index));
  top_ = {index.raw, index.media_type};
}

oci::ImageConfig MemoryImage::config() const { return oci::ImageConfig::parse(bytes_of(manifest().config.digest)); }

namespace {

// Ends as a connection does that breaks.
class BrokenSource final : public io::Source {
 public:
  explicit BrokenSource(std::string bytes) : bytes_(std::move(bytes)) {}
  std::size_t read(io::Buffer buffer) override {
    const auto count = bytes_.read(buffer);
    if (count == 0) throw Error(ErrorCode::Unavailable, "the connection broke");
    return count;
  }

 private:
  io::MemorySource bytes_;
};

}  // namespace

ManifestBytes MemoryImage::read_manifest(const std::optional<oci::Digest>& instance, std::stop_token) const {
  if (!instance) return tops_read_++ > 0 && after_first_manifest ? *after_first_manifest : top_;
  const auto found = served_.contains(*instance) ? served_.find(*instance) : blobs_.find(*instance);
  if (found == blobs_.end()) throw Error(ErrorCode::NotFound, "no such manifest");
  return {found->second, ""};
}

std::unique_ptr<io::Source> MemoryImage::open_blob(const oci::Descriptor& blob, std::stop_token) const {
  ++opened;
  const auto& from = served_.contains(blob.digest) ? served_ : blobs_;
  const auto found = from.find(blob.digest);
  if (found == from.end()) throw Error(ErrorCode::NotFound, "no such blob");
  if (cut_after && found->second.size() > *cut_after)
    return std::make_unique<BrokenSource>(found->second.substr(0, *cut_after));
  return std::make_unique<io::MemorySource>(found->second);
}

std::unique_ptr<io::Source> MemoryImage::open_blob_rest(const oci::Descriptor& blob, std::uint64_t offset,
                                                        std::stop_token stop) const {
  rests_from += offset;
  return ImageSource::open_blob_rest(blob, offset, std::move(stop));
}

bool MemoryDestination::try_reuse(const oci::Descriptor& blob, const transport::BlobUse&,
                                  const std::optional<oci::Reference>&, std::stop_token) {
  const std::lock_guard guard(mutex_);
  return blobs.contains(blob.digest);
}

transport::StoredBlob MemoryDestination::put_blob(const transport::BlobPlan& plan, io::Source& content,
                                                  std::stop_token stop) {
  io::StringSink sink;
  const auto stored = transport::store_content(plan, content, sink, stop);
  const std::lock_guard guard(mutex_);
  blobs[stored.digest] = sink.text();
  return stored;
}

void MemoryDestination::put_manifest(const ManifestBytes& manifest, const std::optional<oci::Digest>& instance,
                                     std::stop_token) {
  if (instance) {
    instances[*instance] = manifest;
  } else {
    top = manifest;
  }
}

}  // namespace proa::testing
