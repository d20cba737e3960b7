#include "libcommon/image/copy_plan.h"

#include <gmock/gmock.h>

#include "libcommon/base/error.h"
#include "libcommon/oci/media_types.h"
#include "tests/support/memory_image.h"

namespace proa::image {
namespace {

using io::Compression;
using transport::LayerCompression;

struct Case {
  testing::ImageSpec spec = testing::image_spec("plan", 1);
  transport::DestinationTraits destination;
  CopyOptions options;

  CopyPlan plan() const {
    const testing::MemoryImage image(spec);
    const auto config = image.config();
    return plan_copy(image.manifest(), &config, destination, options);
  }
};

ErrorCode code_of(const Case& test) {
  try {
    test.plan();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::Internal;
}

TEST(CopyPlan, KeepsEverythingWhereTheDestinationTakesIt) {
  Case test;
  test.destination.layers = LayerCompression::Compress;
  const auto plan = test.plan();
  EXPECT_TRUE(plan.keeps_manifest);
  EXPECT_EQ(plan.layers.at(0).action, LayerAction::Keep);
  EXPECT_TRUE(plan.layers.at(0).use.chain_id.has_value());
}

TEST(CopyPlan, CompressesPlainLayersOnTheWayToARegistry) {
  Case test;
  test.spec.compression = Compression::None;
  test.destination.layers = LayerCompression::Compress;
  const auto plan = test.plan();
  EXPECT_FALSE(plan.keeps_manifest);
  EXPECT_EQ(plan.layers.at(0).action, LayerAction::Compress);
  EXPECT_EQ(plan.layers.at(0).media_type, oci::kOciLayerGzip);
  test.options.compression = Compression::Zstd;
  EXPECT_EQ(test.plan().layers.at(0).media_type, oci::kOciLayerZstd);
  test.destination.layers = LayerCompression::Keep;
  EXPECT_TRUE(test.plan().keeps_manifest);
}

TEST(CopyPlan, LeavesLayersPlainWhenToldSo) {
  Case test;
  test.spec.compression = Compression::None;
  test.destination.layers = LayerCompression::Compress;
  test.options.compression = Compression::None;
  EXPECT_TRUE(test.plan().keeps_manifest);
  test.spec.compression = Compression::Gzip;
  const auto plan = test.plan();
  EXPECT_EQ(plan.layers.at(0).action, LayerAction::Decompress);
  EXPECT_EQ(plan.layers.at(0).media_type, oci::kOciLayer);
  test.options.preserve_digests = true;
  EXPECT_TRUE(test.plan().keeps_manifest);
}

TEST(CopyPlan, TurnsOciIntoDockerAndBackKeepingTheConfig) {
  Case test;
  test.destination.manifest_types = {std::string(oci::kDockerManifest)};
  auto plan = test.plan();
  EXPECT_EQ(plan.manifest_type, oci::kDockerManifest);
  EXPECT_EQ(plan.config_type, oci::kDockerConfig);
  EXPECT_EQ(plan.layers.at(0).media_type, oci::kDockerLayerGzip);
  EXPECT_EQ(plan.layers.at(0).action, LayerAction::Keep);
  test.spec.docker = true;
  test.destination.manifest_types = {std::string(oci::kOciManifest)};
  plan = test.plan();
  EXPECT_EQ(plan.manifest_type, oci::kOciManifest);
  EXPECT_EQ(plan.layers.at(0).media_type, oci::kOciLayerGzip);
}

TEST(CopyPlan, RecompressesZstdForDocker) {
  Case test;
  test.spec.compression = Compression::Zstd;
  test.destination.manifest_types = {std::string(oci::kDockerManifest)};
  const auto plan = test.plan();
  EXPECT_EQ(plan.layers.at(0).action, LayerAction::Recompress);
  EXPECT_EQ(plan.layers.at(0).media_type, oci::kDockerLayerGzip);
}

TEST(CopyPlan, RefusesToBreakDigestsThatShallBePreserved) {
  Case test;
  test.options.preserve_digests = true;
  EXPECT_TRUE(test.plan().keeps_manifest);
  test.destination.layers = LayerCompression::Decompress;
  EXPECT_EQ(code_of(test), ErrorCode::InvalidArgument);
  test.destination.layers = LayerCompression::Compress;
  test.spec.compression = Compression::None;
  EXPECT_TRUE(test.plan().keeps_manifest) << "compressing is optional, keeping digests is not";
  test.options.manifest_type = std::string(oci::kDockerManifest);
  EXPECT_EQ(code_of(test), ErrorCode::InvalidArgument);
}

TEST(CopyPlan, CarriesForeignAndUnknownLayersAsTheyAre) {
  Case test;
  const testing::MemoryImage image(test.spec);
  auto manifest = image.manifest();
  manifest.layers[0].media_type = std::string(oci::kOciLayerGzip) + "+encrypted";
  const auto config = image.config();
  test.destination.layers = LayerCompression::Decompress;
  const auto plan = plan_copy(manifest, &config, test.destination, {});
  EXPECT_EQ(plan.layers.at(0).action, LayerAction::Keep);
  EXPECT_EQ(plan.layers.at(0).media_type, manifest.layers[0].media_type);
}

TEST(CopyPlan, ArtifactsDoNotBecomeDockerImages) {
  Case test;
  const testing::MemoryImage image(test.spec);
  test.destination.manifest_types = {std::string(oci::kDockerManifest)};
  EXPECT_THROW(plan_copy(image.manifest(), nullptr, test.destination, {}), Error);
}

}  // namespace
}  // namespace proa::image
