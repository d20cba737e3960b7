// The store as destination: one pass, verified, nothing half-made.
#include "libcommon/transport/storage.h"

#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/store/check.h"
#include "libcommon/store/gc.h"
#include "tests/unit/transport/transport_fixture.h"

namespace proa::transport {
namespace {

using testing::image_spec;
using testing::MemoryImage;

class Storage : public TransportTest {
 protected:
  std::unique_ptr<ImageDestination> destination(const std::string& name = "app:1") {
    return open_storage_destination(store_,
                                    {.names = {oci::Reference::parse_normalized(name)}, .id_mode = os::IdMode::Single});
  }
  store::StoredImage pull(const ImageSource& source, const std::string& name = "app:1") {
    image::run_copy(source, *destination(name), {}, {});
    return store_.get(name);
  }
  Error pull_error(const ImageSource& source) {
    return failure([&] { image::run_copy(source, *destination(), {}, {}); });
  }
  std::string file_of(const store::StoredImage& image, const std::string& name) {
    for (const auto& lower : store_.overlay_lowers(image)) {
      if (auto text = os::try_read_file(lower + "/" + name, 1 << 20)) return *text;
    }
    return "<none>";
  }
  std::size_t count(const std::string& folder) const {
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path("root/" + folder)))
      files += entry.is_regular_file() ? 1 : 0;
    return files;
  }

  store::Store store_ = store::Store::open(path("root"), store::Store::Create::Yes);
};

TEST_F(Storage, UnpacksAndNamesAnImage) {
  MemoryImage source(image_spec("pull", 5));
  source.reference = oci::Reference::parse_normalized("example.com/app:1");
  const auto image = pull(source);
  EXPECT_EQ(image.names, std::vector<std::string>{"docker.io/library/app:1"});
  EXPECT_EQ(image.id.digest(), source.manifest().config.digest);
  EXPECT_EQ(file_of(image, "etc/pull3"), "pull 3");
  EXPECT_THAT(image.repo_digests, ::testing::Contains("example.com/app@" + source.top().digest().str()));
  for (const auto& finding : store::check(store_, {.owners = "single"}))
    EXPECT_FALSE(finding.damage()) << finding.object << ": " << finding.text;
}

TEST_F(Storage, TakesPlainZstdAndDockerLayers) {
  for (const auto compression : {io::Compression::None, io::Compression::Gzip, io::Compression::Zstd}) {
    auto spec = image_spec("kind" + std::to_string(static_cast<int>(compression)), 2);
    spec.compression = compression;
    spec.docker = compression == io::Compression::Gzip;
    const MemoryImage source(spec);
    const auto image = pull(source, "kind:" + std::to_string(static_cast<int>(compression)));
    EXPECT_EQ(image.manifest.digest, source.top().digest()) << "the manifest stays as it came";
  }
}

TEST_F(Storage, ReadsNothingTwice) {
  const MemoryImage source(image_spec("again", 3));
  pull(source);
  source.opened = 0;
  pull(source, "app:2");
  EXPECT_EQ(source.opened, 0) << "config and layers are here";
  EXPECT_EQ(store_.get("app:1").names.size(), 2U);
}

TEST_F(Storage, GoesOnWithALayerThatWasCut) {
  auto spec = image_spec("cut", 1);
  spec.compression = io::Compression::None;
  MemoryImage source(spec);
  source.cut_after = 150000;
  EXPECT_EQ(pull_error(source).code(), ErrorCode::Unavailable);
  EXPECT_EQ(source.rests_from, 0U);
  source.cut_after.reset();
  EXPECT_EQ(file_of(pull(source), "etc/cut0"), "cut 0");
  EXPECT_EQ(source.rests_from, 150000U) << "only what was missing is asked for";
  for (const auto& finding : store::check(store_, {.owners = "single"}))
    EXPECT_FALSE(finding.damage()) << finding.object << ": " << finding.text;
}

TEST_F(Storage, WrongPartOfACutLayerIsFetchedAgain) {
  auto spec = image_spec("cut", 1);
  spec.compression = io::Compression::None;
  MemoryImage source(spec);
  const auto layer = source.manifest().layers[0];
  MemoryImage liar(spec);
  auto bytes = source.bytes_of(layer.digest);
  bytes[700] = static_cast<char>(bytes[700] ^ 1);
  liar.replace(layer.digest, bytes);
  liar.cut_after = 1000;
  EXPECT_EQ(pull_error(liar).code(), ErrorCode::Unavailable);
  EXPECT_EQ(file_of(pull(source), "etc/cut0"), "cut 0");
  EXPECT_EQ(source.rests_from, 1000U);
}

TEST_F(Storage, WrongBytesLeaveNothing) {
  MemoryImage source(image_spec("bad", 3));
  const auto layer = source.manifest().layers[1];
  auto bytes = source.bytes_of(layer.digest);
  bytes[bytes.size() - 3] = static_cast<char>(bytes[bytes.size() - 3] ^ 1);
  for (const auto& served :
       {bytes, source.bytes_of(layer.digest).substr(0, 100), source.bytes_of(layer.digest) + "x", std::string()}) {
    source.replace(layer.digest, served);
    EXPECT_EQ(pull_error(source).code(), ErrorCode::Corrupt);
    EXPECT_THAT(store_.list(), ::testing::IsEmpty());
    EXPECT_EQ(count("images/blobs") + count("layers") + count("staging"), 0U);
  }
}

TEST_F(Storage, WrongDiffIdLeavesNothing) {
  // Digest and size of the blob are right; what is in it is not what the config says.
  MemoryImage source(image_spec("one", 1));
  const MemoryImage other(image_spec("two", 1));
  auto manifest = source.manifest();
  const auto layer = other.manifest().layers[0];
  manifest.layers[0] = layer;
  source.add_blob(other.bytes_of(layer.digest), layer.media_type);
  manifest = oci::Manifest::encode(std::move(manifest));
  source.set_top({manifest.raw, manifest.media_type});
  const auto error = pull_error(source);
  EXPECT_EQ(error.code(), ErrorCode::Corrupt);
  EXPECT_THAT(error.text(), ::testing::HasSubstr("diff id"));
  EXPECT_EQ(count("images/blobs") + count("layers"), 0U);
  // The same with both blob and layer in the store already: they do not belong together.
  pull(MemoryImage(image_spec("one", 1)), "one");
  pull(other, "two");
  EXPECT_EQ(pull_error(source).code(), ErrorCode::Corrupt);
  EXPECT_FALSE(store_.find("app:1").has_value());
}

TEST_F(Storage, LayerIsMadeFromABlobThatIsThere) {
  const MemoryImage source(image_spec("blob", 1));
  const auto image = pull(source);
  std::filesystem::remove_all(store_.layer_dir(*image.top_layer));
  source.opened = 0;
  pull(source, "app:2");
  EXPECT_EQ(source.opened, 0) << "nothing was asked for";
  EXPECT_EQ(file_of(store_.get("app:2"), "etc/blob0"), "blob 0");
}

TEST_F(Storage, DamagedBlobIsFetchedAgain) {
  const MemoryImage source(image_spec("heal", 1));
  const auto image = pull(source);
  std::filesystem::remove_all(store_.layer_dir(*image.top_layer));
  const auto layer = source.manifest().layers[0];
  auto bytes = source.bytes_of(layer.digest);
  bytes[30] = static_cast<char>(bytes[30] ^ 1);
  dir_.write("root/images/blobs/sha256/" + std::string(layer.digest.hex()), bytes);
  pull(source, "app:2");
  EXPECT_EQ(dir_.read("root/images/blobs/sha256/" + std::string(layer.digest.hex())), source.bytes_of(layer.digest));
}

TEST_F(Storage, ArtifactsAndUnknownLayersAreRefused) {
  MemoryImage source(image_spec("art", 1));
  auto manifest = source.manifest();
  manifest.layers[0].media_type += "+encrypted";
  manifest = oci::Manifest::encode(std::move(manifest));
  source.set_top({manifest.raw, manifest.media_type});
  EXPECT_EQ(pull_error(source).code(), ErrorCode::Unsupported);
}

TEST_F(Storage, GivesBackTheBytesThatCame) {
  const MemoryImage source(image_spec("out", 2));
  pull(source);
  testing::MemoryDestination copy;
  image::run_copy(*open_storage_source(ImageName::parse("storage:app:1"), store_), copy, {}, {});
  EXPECT_EQ(copy.top->bytes, source.top().bytes);
}

}  // namespace
}  // namespace proa::transport
