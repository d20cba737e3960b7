#include <gtest/gtest.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/oci/image.h"
#include "libcommon/oci/media_types.h"

namespace proa::oci {
namespace {

using nlohmann::json;

json descriptor(std::string_view type, char digit, std::int64_t size = 7) {
  return {{"mediaType", type}, {"digest", "sha256:" + std::string(64, digit)}, {"size", size}};
}

json manifest_json() {
  return {{"schemaVersion", 2},
          {"mediaType", kOciManifest},
          {"config", descriptor(kOciConfig, 'c')},
          {"layers", {descriptor(kOciLayerGzip, '1'), descriptor(kOciLayerZstd, '2')}},
          {"annotations", {{"k", "v"}}}};
}

json index_json() {
  json amd64 = descriptor(kOciManifest, 'a');
  amd64["platform"] = {{"os", "linux"}, {"architecture", "amd64"}};
  json arm = descriptor(kOciManifest, 'b');
  arm["platform"] = {{"os", "linux"}, {"architecture", "arm"}, {"variant", "v6"}};
  json arm64 = descriptor(kOciManifest, 'c');
  arm64["platform"] = {{"os", "linux"}, {"architecture", "arm64"}, {"variant", "v8"}};
  json attestation = descriptor(kOciManifest, 'd');
  attestation["platform"] = {{"os", "unknown"}, {"architecture", "unknown"}};
  return {{"schemaVersion", 2}, {"mediaType", kOciIndex}, {"manifests", {attestation, amd64, arm, arm64}}};
}

ErrorCode refused_manifest(const json& body, std::string_view declared = {}) {
  try {
    Manifest::parse(body.dump(), declared);
  } catch (const Error& error) {
    EXPECT_TRUE(error.text().starts_with("manifest: ")) << error.text();
    return error.code();
  }
  return ErrorCode::Internal;
}

json with(json body, const char* pointer, json value) {
  body[json::json_pointer(pointer)] = std::move(value);
  return body;
}

json without(json body, const char* key) {
  body.erase(key);
  return body;
}

TEST(Manifest, KeepsBytesAndFields) {
  std::string raw = manifest_json().dump(3) + "\n";
  Manifest manifest = Manifest::parse(raw, kOciManifest);
  EXPECT_EQ(manifest.raw, raw);
  EXPECT_EQ(manifest.layers.size(), 2u);
  EXPECT_EQ(manifest.layers[1].media_type, kOciLayerZstd);
  EXPECT_EQ(manifest.config.size, 7u);
  EXPECT_EQ(manifest.annotations.at("k"), "v");
  Manifest again = Manifest::parse(Manifest::encode(manifest).raw);
  EXPECT_EQ(again.layers, manifest.layers);
  EXPECT_EQ(json::parse(again.raw), manifest_json());
}

TEST(Manifest, EncodingIsCanonical) {
  Manifest manifest = Manifest::parse(manifest_json().dump());
  EXPECT_EQ(Manifest::encode(manifest).raw, Manifest::encode(Manifest::parse(manifest_json().dump(7))).raw);
}

TEST(Manifest, MediaTypeMayBeMissingInOciOnly) {
  json body = without(manifest_json(), "mediaType");
  EXPECT_EQ(Manifest::parse(body.dump()).media_type, kOciManifest);
  EXPECT_EQ(Manifest::parse(body.dump(), kDockerManifest).media_type, kDockerManifest);
  EXPECT_EQ(Manifest::parse(manifest_json().dump(), "application/json; charset=utf-8").media_type, kOciManifest);
  EXPECT_EQ(Manifest::parse(manifest_json().dump(), std::string(kOciManifest) + "; charset=utf-8").media_type,
            kOciManifest);
}

// CVE-2021-41190: no body may be a manifest to one reader and an index to another.
TEST(Manifest, IsNothingElse) {
  const json good = manifest_json();
  EXPECT_EQ(refused_manifest(with(good, "/manifests", json::array())), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(with(good, "/manifests", nullptr)), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(with(good, "/fsLayers", json::array())), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(with(good, "/LAYERS", json::array())), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(with(good, "/Config", json::object())), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(with(good, "/layers/0/Digest", "x")), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(with(good, "/mediaType", kOciIndex)), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(with(good, "/mediaType", "text/html")), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(good, kOciIndex), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(good, kDockerManifest), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(index_json()), ErrorCode::Corrupt);
  std::string twice = good.dump();
  twice.insert(1, "\"layers\":[],");
  EXPECT_THROW(Manifest::parse(twice), Error);
  EXPECT_THROW(Index::parse(good.dump()), Error);
  EXPECT_THROW(Index::parse(with(index_json(), "/layers", json::array()).dump()), Error);
  EXPECT_THROW(Index::parse(index_json().dump(), kOciManifest), Error);
}

TEST(Manifest, RefusesWrongVersionsSizesAndDigests) {
  const json good = manifest_json();
  EXPECT_EQ(refused_manifest(with(good, "/schemaVersion", 3)), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(with(good, "/schemaVersion", "2")), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(without(good, "schemaVersion")), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(with(good, "/schemaVersion", 1)), ErrorCode::Unsupported);
  for (const json& size : {json(-1), json(1.5), json(nullptr), json("7"), json(std::uint64_t{1} << 63)}) {
    EXPECT_EQ(refused_manifest(with(good, "/layers/1/size", size)), ErrorCode::Corrupt) << size;
    EXPECT_EQ(refused_manifest(with(good, "/config/size", size)), ErrorCode::Corrupt) << size;
  }
  EXPECT_EQ(refused_manifest(with(good, "/layers/0/digest", "sha256:../../etc")), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(without(good, "config")), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(without(good, "layers")), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(with(good, "/layers", "x")), ErrorCode::Corrupt);
}

TEST(Manifest, HasAtMostAThousandLayers) {
  json body = manifest_json();
  body["layers"] = json::array();
  for (std::size_t i = 0; i < kMaxLayers; ++i) body["layers"].push_back(descriptor(kOciLayer, '1'));
  EXPECT_EQ(Manifest::parse(body.dump()).layers.size(), kMaxLayers);
  body["layers"].push_back(descriptor(kOciLayer, '1'));
  EXPECT_EQ(refused_manifest(body), ErrorCode::Corrupt);
  EXPECT_EQ(refused_manifest(with(manifest_json(), "/annotations/x", std::string(kMaxManifestSize, 'x'))),
            ErrorCode::LimitExceeded);
}

TEST(CheckLayers, WantsKnownTypesAndAsManyDiffIds) {
  Manifest manifest = Manifest::parse(manifest_json().dump());
  ImageConfig config;
  DiffId id(Digest::parse("sha256:" + std::string(64, '1')));
  config.diff_ids = {id};
  EXPECT_THROW(check_layers(manifest, config), Error);
  config.diff_ids = {id, id};
  EXPECT_NO_THROW(check_layers(manifest, config));
  for (const char* type : {"application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "application/octet-stream", ""}) {
    manifest.layers[1].media_type = type;
    EXPECT_THROW(check_layers(manifest, config), Error) << type;
  }
}

TEST(Index, ChoosesThePlatform) {
  Index index = Index::parse(index_json().dump());
  auto chosen = [&](const char* platform) -> char {
    const Descriptor* found = index.select(Platform::parse(platform));
    return found ? found->digest.hex()[0] : '-';
  };
  EXPECT_EQ(chosen("linux/amd64"), 'a');
  EXPECT_EQ(chosen("linux/amd64/v3"), 'a');
  EXPECT_EQ(chosen("linux/arm64"), 'c');
  EXPECT_EQ(chosen("linux/arm/v7"), 'b');
  EXPECT_EQ(chosen("linux/arm/v5"), '-');
  EXPECT_EQ(chosen("linux/s390x"), '-');
  EXPECT_EQ(chosen("windows/amd64"), '-');
}

TEST(Index, PrefersTheNearestVariant) {
  json body = index_json();
  for (const char* variant : {"v5", "v7"}) {
    json entry = descriptor(kOciManifest, variant[1]);
    entry["platform"] = {{"os", "linux"}, {"architecture", "arm"}, {"variant", variant}};
    body["manifests"].push_back(entry);
  }
  Index index = Index::parse(body.dump());
  EXPECT_EQ(index.select(Platform::parse("linux/arm/v7"))->digest.hex()[0], '7');
  EXPECT_EQ(index.select(Platform::parse("linux/arm/v8"))->digest.hex()[0], '7');
  EXPECT_EQ(index.select(Platform::parse("linux/arm/v6"))->digest.hex()[0], 'b');
}

TEST(Index, EntryWithoutPlatformIsTheLastResort) {
  json body = {{"schemaVersion", 2}, {"manifests", {descriptor(kOciManifest, 'e')}}};
  Index index = Index::parse(body.dump());
  ASSERT_NE(index.select(Platform::parse("linux/amd64")), nullptr);
  EXPECT_EQ(index.select(Platform::parse("linux/amd64"))->digest.hex()[0], 'e');
  EXPECT_EQ(json::parse(Index::encode(index).raw)["manifests"], body["manifests"]);
}

}  // namespace
}  // namespace proa::oci
