// Images through oci:, oci-archive:, docker-archive: and dir:, and what happens when they do not arrive.
#include "libcommon/oci/media_types.h"
#include "tests/unit/transport/transport_fixture.h"

namespace proa::transport {
namespace {

using testing::image_spec;
using testing::MemoryImage;

class RoundTrip : public TransportTest {};

TEST_F(RoundTrip, KeepsBytesThroughLayoutArchiveAndDirectory) {
  const MemoryImage image(image_spec("trip", 3));
  copy(image, "oci:" + path("layout") + ":one");
  copy("oci:" + path("layout") + ":one", "oci-archive:" + path("a.tar") + ":two");
  copy("oci-archive:" + path("a.tar"), "dir:" + path("dir"));
  const auto result = read("dir:" + path("dir"));
  EXPECT_EQ(result.top->bytes, image.top().bytes);
  for (const auto& layer : image.manifest().layers)
    EXPECT_EQ(result.blobs.at(layer.digest), image.bytes_of(layer.digest));
}

TEST_F(RoundTrip, DockerArchiveKeepsConfigAndContent) {
  const auto spec = image_spec("docker", 3);
  const MemoryImage image(spec);
  copy(image, "docker-archive:" + path("d.tar") + ":app:1");
  const auto result = read("docker-archive:" + path("d.tar") + ":app:1");
  const auto manifest = oci::Manifest::parse(result.top->bytes);
  EXPECT_EQ(manifest.config.digest, image.manifest().config.digest);
  for (std::size_t i = 0; i < spec.layers.size(); ++i)
    EXPECT_EQ(result.blobs.at(manifest.layers[i].digest), spec.layers[i]);
}

TEST_F(RoundTrip, EqualImagesGiveEqualArchives) {
  const MemoryImage image(image_spec("same", 2));
  copy(image, "docker-archive:" + path("1.tar") + ":a");
  copy(image, "docker-archive:" + path("2.tar") + ":a");
  EXPECT_EQ(dir_.read("1.tar"), dir_.read("2.tar"));
}

TEST_F(RoundTrip, WholeIndexInALayout) {
  auto arm = image_spec("arm", 1);
  arm.architecture = "arm64";
  MemoryImage image;
  image.make_index({image_spec("amd", 1), arm});
  image::CopyOptions all;
  all.instances = image::Instances::All;
  copy(image, "oci:" + path("l") + ":x", all);
  copy("oci:" + path("l") + ":x", "dir:" + path("d"), all);
  const auto result = read("dir:" + path("d"), all);
  EXPECT_EQ(result.top->bytes, image.top().bytes);
  EXPECT_EQ(result.instances.size(), 2U);
}

TEST_F(RoundTrip, LayoutHoldsSeveralNames) {
  const MemoryImage a(image_spec("a", 1)), b(image_spec("b", 1));
  copy(a, "oci:" + path("l") + ":one");
  copy(a, "oci:" + path("l") + ":two");
  EXPECT_EQ(read("oci:" + path("l") + ":one").top->bytes, a.top().bytes);
  copy(b, "oci:" + path("l") + ":one");  // the name moves
  EXPECT_EQ(read("oci:" + path("l") + ":one").top->bytes, b.top().bytes);
  EXPECT_EQ(read("oci:" + path("l") + ":two").top->bytes, a.top().bytes);
  const auto error = failure([&] { read("oci:" + path("l") + ":three"); });
  EXPECT_EQ(error.code(), ErrorCode::NotFound);
  EXPECT_THAT(error.hint(), ::testing::HasSubstr("two"));
  EXPECT_EQ(failure([&] { read("oci:" + path("l")); }).code(), ErrorCode::InvalidArgument)
      << "which of several is not for us to guess";
}

class Failing : public TransportTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(Failing, LeavesNothingNewBehind) {
  MemoryImage image(image_spec("fail", 3));
  image.replace(image.manifest().layers[1].digest, "not what it should be");
  const std::string target = std::string(GetParam()) + path("target");
  EXPECT_EQ(failure([&] { copy(image, target); }).code(), ErrorCode::Corrupt);
  EXPECT_THAT(files(), ::testing::IsEmpty());
}

TEST_P(Failing, LeavesWhatWasThereAlone) {
  const std::string target = std::string(GetParam()) + path("target");
  const bool archive = target.starts_with("docker-archive");
  const MemoryImage good(image_spec("good", 1));
  copy(good, target);
  const auto before = files();
  MemoryImage bad(image_spec("bad", 2));
  bad.replace(bad.manifest().layers[1].digest, "");
  EXPECT_EQ(failure([&] { copy(bad, target); }).code(), archive ? ErrorCode::InvalidArgument : ErrorCode::Corrupt);
  EXPECT_EQ(files(), before);
}

INSTANTIATE_TEST_SUITE_P(Transports, Failing, ::testing::Values("oci:", "oci-archive:", "docker-archive:", "dir:"));

TEST_F(RoundTrip, DirectoryOfSomethingElseIsNotOverwritten) {
  dir_.write("work/thesis.txt", "years of work");
  const MemoryImage image(image_spec("x", 1));
  EXPECT_EQ(failure([&] { copy(image, "dir:" + path("work")); }).code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(files().size(), 2U);
}

TEST_F(RoundTrip, DirectoryGetsRidOfTheOldImage) {
  copy(MemoryImage(image_spec("old", 3)), "dir:" + path("d"));
  const MemoryImage image(image_spec("new", 1));
  copy(image, "dir:" + path("d"));
  EXPECT_EQ(files().size(), 5U) << "the folder, manifest.json, version, config, layer";
  EXPECT_EQ(read("dir:" + path("d")).top->bytes, image.top().bytes);
}

TEST_F(RoundTrip, StagingOfAKilledCopyIsSweptByTheNext) {
  dir_.write("l/.proa-dead/1", "left over");
  copy(MemoryImage(image_spec("x", 1)), "oci:" + path("l") + ":x");
  EXPECT_FALSE(files().contains("l/.proa-dead"));
}

TEST_F(RoundTrip, DamagedBlobOfALayoutIsReplaced) {
  const MemoryImage image(image_spec("heal", 1));
  copy(image, "oci:" + path("l") + ":x");
  const auto layer = image.manifest().layers[0];
  auto bytes = image.bytes_of(layer.digest);
  bytes[20] = static_cast<char>(bytes[20] ^ 1);
  dir_.write("l/blobs/sha256/" + std::string(layer.digest.hex()), bytes);
  copy(image, "oci:" + path("l") + ":y");
  EXPECT_EQ(read("oci:" + path("l") + ":y").blobs.at(layer.digest), image.bytes_of(layer.digest));
}

TEST_F(RoundTrip, OneDockerArchiveForSeveralImages) {
  const MemoryImage image(image_spec("tags", 1));
  OpenOptions open;
  open.additional_tags = {oci::Reference::parse_normalized("other:2")};
  copy(image, "docker-archive:" + path("d.tar") + ":app:1", {}, open);
  EXPECT_NO_THROW(read("docker-archive:" + path("d.tar") + ":other:2"));
  EXPECT_NO_THROW(read("docker-archive:" + path("d.tar") + ":@0"));
  EXPECT_EQ(failure([&] { read("docker-archive:" + path("d.tar") + ":none"); }).code(), ErrorCode::NotFound);
  EXPECT_EQ(failure([&] { read("docker-archive:" + path("d.tar") + ":@1"); }).code(), ErrorCode::NotFound);
}

}  // namespace
}  // namespace proa::transport
