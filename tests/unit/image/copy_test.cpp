#include "libcommon/image/copy.h"

#include <gmock/gmock.h>

#include <atomic>
#include <latch>
#include <map>

#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "tests/support/memory_image.h"

namespace proa::image {
namespace {

using testing::image_spec;
using testing::MemoryDestination;
using testing::MemoryImage;
using transport::LayerCompression;

Error failure(const MemoryImage& source, MemoryDestination& destination, const CopyOptions& options = {}) {
  try {
    run_copy(source, destination, options, {});
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::Internal, "no error");
}

CopyOptions for_platform(const char* platform) {
  CopyOptions options;
  options.platform = oci::Platform::parse(platform);
  return options;
}

TEST(Copy, MovesEveryByteUnchanged) {
  const MemoryImage source(image_spec("plain", 7));
  MemoryDestination destination;
  const auto result = run_copy(source, destination, {}, {});
  EXPECT_TRUE(destination.committed);
  EXPECT_EQ(destination.top->bytes, source.top().bytes);
  EXPECT_EQ(result.digest, source.top().digest());
  EXPECT_EQ(result.id->digest(), source.manifest().config.digest);
  for (const auto& layer : source.manifest().layers)
    EXPECT_EQ(destination.blobs.at(layer.digest), source.bytes_of(layer.digest));
}

TEST(Copy, DamagedLayerIsNeverCommitted) {
  MemoryImage source(image_spec("bad", 4));
  const auto layer = source.manifest().layers[2];
  auto bytes = source.bytes_of(layer.digest);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  source.replace(layer.digest, bytes);
  MemoryDestination destination;
  const auto error = failure(source, destination);
  EXPECT_EQ(error.code(), ErrorCode::Corrupt);
  EXPECT_THAT(error.text(), ::testing::HasSubstr(layer.digest.str()));
  EXPECT_FALSE(destination.committed);
  EXPECT_FALSE(destination.top.has_value());
}

// Lets no layer fail before both have begun.
class TwoAtOnce final : public CopyObserver {
 public:
  void blob_started(std::size_t, Item item, const oci::Descriptor&) override {
    if (item == Item::Layer) both_.arrive_and_wait();
  }
  void blob_finished(std::size_t, Outcome outcome) override {
    failed += outcome == Outcome::Failed;
    stopped += outcome == Outcome::Stopped;
  }
  std::atomic<int> failed = 0, stopped = 0;

 private:
  std::latch both_{2};
};

TEST(Copy, OneLayerFailsAndTheOthersAreStopped) {
  MemoryImage source(image_spec("bad", 2));
  for (const auto& layer : source.manifest().layers) {
    auto bytes = source.bytes_of(layer.digest);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    source.replace(layer.digest, bytes);
  }
  MemoryDestination destination;
  TwoAtOnce observer;
  EXPECT_THROW(run_copy(source, destination, {}, {.observer = &observer}), Error);
  EXPECT_EQ(observer.failed, 1);
  EXPECT_EQ(observer.stopped, 1);
}

TEST(Copy, ShortAndLongLayersAreCorrupt) {
  for (const bool longer : {false, true}) {
    MemoryImage source(image_spec("size", 1));
    const auto layer = source.manifest().layers[0];
    auto bytes = source.bytes_of(layer.digest);
    longer ? bytes.push_back('x') : bytes.pop_back();
    source.replace(layer.digest, bytes);
    MemoryDestination destination;
    EXPECT_EQ(failure(source, destination).code(), ErrorCode::Corrupt);
  }
}

TEST(Copy, DamageIsSeenThroughDecompressionToo) {
  // The plain content stays right, so that only the digest of the compressed bytes tells.
  MemoryImage source(image_spec("inflate", 1));
  const auto layer = source.manifest().layers[0];
  auto bytes = source.bytes_of(layer.digest);
  bytes[9] = static_cast<char>(bytes[9] ^ 1);  // "operating system" in the gzip header: no decoder looks at it
  source.replace(layer.digest, bytes);
  MemoryDestination destination;
  destination.wanted.layers = LayerCompression::Decompress;
  EXPECT_EQ(failure(source, destination).code(), ErrorCode::Corrupt);
}

TEST(Copy, DamagedConfigIsCorrupt) {
  MemoryImage source(image_spec("config", 1));
  source.replace(source.manifest().config.digest, "{}");
  MemoryDestination destination;
  EXPECT_EQ(failure(source, destination).code(), ErrorCode::Corrupt);
}

TEST(Copy, ConfigWithOtherNumberOfLayersIsCorrupt) {
  MemoryImage source(image_spec("count", 2));
  auto manifest = source.manifest();
  manifest.layers.pop_back();
  manifest = oci::Manifest::encode(std::move(manifest));
  source.set_top({manifest.raw, manifest.media_type});
  MemoryDestination destination;
  EXPECT_EQ(failure(source, destination).code(), ErrorCode::Corrupt);
}

TEST(Copy, DecompressesForArchives) {
  const auto spec = image_spec("tar", 3);
  const MemoryImage source(spec);
  MemoryDestination destination;
  destination.wanted.layers = LayerCompression::Decompress;
  destination.wanted.manifest_types = {std::string(oci::kDockerManifest)};
  run_copy(source, destination, {}, {});
  const auto manifest = oci::Manifest::parse(destination.top->bytes);
  EXPECT_EQ(manifest.media_type, oci::kDockerManifest);
  EXPECT_EQ(manifest.config.digest, source.manifest().config.digest) << "the image id stays";
  for (std::size_t i = 0; i < spec.layers.size(); ++i)
    EXPECT_EQ(destination.blobs.at(manifest.layers[i].digest), spec.layers[i]);
}

class Memory final : public BlobMemory {
 public:
  std::map<oci::DiffId, transport::StoredBlob> known;
  std::optional<transport::StoredBlob> find(const oci::DiffId& layer, io::Compression) override {
    const auto found = known.find(layer);
    return found == known.end() ? std::nullopt : std::optional(found->second);
  }
  void remember(const oci::DiffId& layer, io::Compression, const transport::StoredBlob& blob) override {
    known.insert_or_assign(layer, blob);
  }
};

TEST(Copy, CompressesOnceAndReusesItAfterwards) {
  auto spec = image_spec("push", 1);
  spec.compression = io::Compression::None;
  const MemoryImage source(spec);
  MemoryDestination destination;
  destination.wanted.layers = LayerCompression::Compress;
  Memory memory;
  run_copy(source, destination, {}, {.memory = &memory});
  const auto layer = oci::Manifest::parse(destination.top->bytes).layers.at(0);
  EXPECT_EQ(layer.media_type, oci::kOciLayerGzip);
  EXPECT_EQ(layer.size, destination.blobs.at(layer.digest).size());
  EXPECT_EQ(io::read_all(*io::decompress_any(std::make_unique<io::MemorySource>(destination.blobs.at(layer.digest))),
                         1 << 20, "layer"),
            spec.layers[0]);
  source.opened = 0;
  run_copy(source, destination, {}, {.memory = &memory});
  EXPECT_EQ(source.opened, 1) << "only the config is read again";
}

TEST(Copy, PicksThePlatformOfAnIndex) {
  auto arm = image_spec("arm", 1);
  arm.architecture = "arm64";
  MemoryImage source;
  source.make_index({image_spec("amd", 1), arm});
  MemoryDestination destination;
  run_copy(source, destination, for_platform("linux/arm64"), {});
  EXPECT_EQ(destination.top->bytes, source.add(arm).bytes);
  const auto error = failure(source, destination, for_platform("linux/s390x"));
  EXPECT_EQ(error.code(), ErrorCode::NotFound);
  EXPECT_THAT(error.hint(), ::testing::HasSubstr("linux/arm64"));
}

TEST(Copy, InstanceOfOtherBytesThanTheIndexSaysIsCorrupt) {
  MemoryImage source;
  source.make_index({image_spec("amd", 1)});
  const auto index = oci::Index::parse(source.top().bytes);
  auto other = source.bytes_of(index.manifests[0].digest);
  other.back() = ' ';
  source.replace(index.manifests[0].digest, other);
  MemoryDestination destination;
  EXPECT_EQ(failure(source, destination, for_platform("linux/amd64")).code(), ErrorCode::Corrupt);
}

TEST(Copy, CopiesAWholeIndexByteForByte) {
  auto arm = image_spec("arm", 1);
  arm.architecture = "arm64";
  MemoryImage source;
  source.make_index({image_spec("amd", 2), arm});
  MemoryDestination destination;
  CopyOptions options;
  options.instances = Instances::All;
  options.preserve_digests = true;
  const auto result = run_copy(source, destination, options, {});
  EXPECT_EQ(destination.top->bytes, source.top().bytes);
  EXPECT_EQ(result.digest, source.top().digest());
  EXPECT_EQ(destination.instances.size(), 2U);
}

TEST(Copy, CopiesAnIndexWithinAnIndex) {
  MemoryImage source;
  source.make_index({image_spec("inner", 1)});
  const auto inner = source.top();
  source.add_blob(inner.bytes, inner.media_type);
  const auto outer = oci::Index::encode(
      {.media_type = std::string(oci::kOciIndex),
       .manifests = {{.media_type = inner.media_type, .digest = inner.digest(), .size = inner.bytes.size()}}});
  source.set_top({outer.raw, outer.media_type});
  MemoryDestination destination;
  CopyOptions options;
  options.instances = Instances::All;
  options.preserve_digests = true;
  run_copy(source, destination, options, {});
  EXPECT_EQ(destination.top->bytes, outer.raw);
  EXPECT_EQ(destination.instances.at(inner.digest()).bytes, inner.bytes);
  EXPECT_EQ(destination.instances.size(), 2U);
}

TEST(Copy, LayerThatComesTwiceIsMovedOnce) {
  auto spec = image_spec("twin", 2);
  spec.layers.push_back(spec.layers[0]);
  spec.layers.push_back(spec.layers[0]);
  const MemoryImage source(spec);
  MemoryDestination destination;
  source.opened = 0;
  run_copy(source, destination, {}, {});
  EXPECT_EQ(source.opened, 3) << "the config and two layers";
  EXPECT_EQ(destination.top->bytes, source.top().bytes);
  // Compressed on the way, too.
  spec.compression = io::Compression::None;
  const MemoryImage plain(spec);
  MemoryDestination compressing;
  compressing.wanted.layers = transport::LayerCompression::Compress;
  run_copy(plain, compressing, {}, {});
  EXPECT_EQ(plain.opened, 3);
  const auto written = oci::Manifest::parse(compressing.top->bytes);
  EXPECT_EQ(written.layers.at(3).digest, written.layers.at(0).digest);
}

TEST(Copy, RewritesAnIndexWhoseImagesChange) {
  MemoryImage source;
  source.make_index({image_spec("amd", 1)}, true);
  MemoryDestination destination;
  destination.wanted.manifest_types = {std::string(oci::kOciManifest), std::string(oci::kOciIndex)};
  CopyOptions options;
  options.instances = Instances::All;
  run_copy(source, destination, options, {});
  const auto index = oci::Index::parse(destination.top->bytes);
  EXPECT_EQ(index.media_type, oci::kOciIndex);
  const auto& instance = destination.instances.at(index.manifests.at(0).digest);
  EXPECT_EQ(index.manifests[0].size, instance.bytes.size());
  EXPECT_EQ(io::digest_of(instance.bytes), index.manifests[0].digest);
  EXPECT_EQ(index.manifests[0].platform->architecture, "amd64");
}

TEST(Copy, AllNeedsADestinationForSeveral) {
  MemoryImage source;
  source.make_index({image_spec("amd", 1)});
  MemoryDestination destination;
  destination.wanted.accepts_index = false;
  CopyOptions options;
  options.instances = Instances::All;
  EXPECT_EQ(failure(source, destination, options).code(), ErrorCode::Unsupported);
}

TEST(Copy, StopsWhenAsked) {
  const MemoryImage source(image_spec("stop", 3));
  MemoryDestination destination;
  std::stop_source stop;
  stop.request_stop();
  try {
    run_copy(source, destination, {}, {.stop = stop.get_token()});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Cancelled);
  }
  EXPECT_FALSE(destination.committed);
}

TEST(Copy, ManifestThatIsAnIndexAsWellIsRefused) {
  MemoryImage source(image_spec("both", 1));
  auto text = source.top().bytes;
  text.insert(1, R"("manifests":[],)");
  source.set_top({text, ""});
  MemoryDestination destination;
  EXPECT_EQ(failure(source, destination).code(), ErrorCode::Corrupt);  // CVE-2021-41190
}

}  // namespace
}  // namespace proa::image
