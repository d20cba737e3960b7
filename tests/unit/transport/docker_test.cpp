#include "libcommon/transport/docker.h"

#include "libcommon/base/base64.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/registry/blob_places.h"
#include "tests/support/environment.h"
#include "tests/support/registry_fixture.h"

namespace proa::transport {
namespace {

using namespace proa::testing;

const std::string kType(oci::kOciManifest);
const std::string kManifest = R"({"schemaVersion":2})";

class Docker : public ::testing::Test {
 protected:
  Docker() {
    environment.set("XDG_CONFIG_HOME", home.path());
    environment.set("XDG_RUNTIME_DIR", home.path());
    environment.set("HOME", home.path());
    environment.set("DOCKER_CONFIG", std::nullopt);
    environment.set("REGISTRY_AUTH_FILE", std::nullopt);
    configure("");
  }
  void configure(const std::string& text) {
    environment.set("CONTAINERS_REGISTRIES_CONF", home.write("registries.conf", text));
  }
  static oci::Reference named(const std::string& text) { return oci::Reference::parse_normalized(text); }
  static std::string read(const oci::Reference& reference, const RegistryOptions& options = {.retries = 0}) {
    return open_docker_source(reference, options)->manifest(std::nullopt, {}).bytes;
  }
  static std::string mirrored(const FakeRegistry& registry, const std::string& mirrors) {
    return "[[registry]]\nlocation = \"" + registry.host() + "\"\n" + mirrors;
  }
  static std::string mirror(const std::string& location) {
    return "[[registry.mirror]]\ninsecure = true\nlocation = \"" + location + "\"\n";
  }
  TempDir home;
  Environment environment;
  FakeRegistry fake;
};

TEST_F(Docker, ReadsManifestAndVerifiedBlobs) {
  fake.add_manifest("app", "1", kManifest, kType);
  const auto digest = fake.add_blob("app", "content");
  const auto source = open_docker_source(named(fake.host() + "/app:1"), {});
  const auto manifest = source->manifest(std::nullopt, {});
  EXPECT_EQ(manifest.bytes, kManifest);
  EXPECT_EQ(manifest.media_type, kType);
  EXPECT_EQ(io::read_all(*source->blob({.media_type = "", .digest = digest, .size = 7}, {}), 100, "blob"), "content");
  fake.server().add({.path_contains = digest.str(), .edit = [](FakeAnswer& answer) { answer.body = "CONTENT"; }});
  const auto error =
      error_of([&] { io::read_all(*source->blob({.media_type = "", .digest = digest, .size = 7}, {}), 100, "blob"); });
  EXPECT_EQ(error.code(), ErrorCode::Corrupt);
}

TEST_F(Docker, WithoutATagItIsLatest) {
  fake.add_manifest("app", "latest", kManifest, kType);
  EXPECT_EQ(read(named(fake.host() + "/app")), kManifest);
}

TEST_F(Docker, MirrorIsAskedFirstAndTheRegistryWhenItFails) {
  FakeRegistry copy({.address = "127.0.0.2"});
  fake.add_manifest("app", "1", kManifest, kType);
  configure(mirrored(fake, mirror("127.0.0.3:1") + mirror(copy.host() + "/cache")));
  EXPECT_EQ(read(named(fake.host() + "/app:1")), kManifest);
  EXPECT_EQ(copy.server().count("GET", "/v2/cache/app/manifests/1"), 1U);
  const auto before = fake.server().requests().size();
  copy.add_manifest("cache/app", "1", kManifest, kType);
  EXPECT_EQ(read(named(fake.host() + "/app:1")), kManifest);
  EXPECT_EQ(fake.server().requests().size(), before);
}

TEST_F(Docker, MirrorGetsItsOwnCredentialsOnly) {
  FakeRegistry copy({.auth = FakeRegistryOptions::Auth::Basic, .user = "mirror", .address = "127.0.0.2"});
  FakeRegistry registry({.auth = FakeRegistryOptions::Auth::Basic});
  registry.add_manifest("app", "1", kManifest, kType);
  configure(mirrored(registry, mirror(copy.host())));
  home.write("containers/auth.json",
             R"({"auths":{")" + registry.host() + R"(":{"auth":")" + base64_encode("user:secret") + "\"}}}");
  EXPECT_EQ(read(named(registry.host() + "/app:1")), kManifest);
  EXPECT_EQ(read(named(registry.host() + "/app:1"), {.username = "user", .password = "secret", .retries = 0}),
            kManifest);
  error_of([&] { read(named(registry.host() + "/app:1"), {.registry_token = "token", .retries = 0}); });
  ASSERT_GE(copy.server().requests().size(), 3U);
  for (const auto& request : copy.server().requests()) EXPECT_EQ(request.header("authorization"), "");
}

TEST_F(Docker, BlockedRegistryIsNotAsked) {
  configure("[[registry]]\nblocked = true\nlocation = \"" + fake.host() + "\"\n");
  EXPECT_EQ(error_of([&] { read(named(fake.host() + "/app:1")); }).code(), ErrorCode::InvalidArgument);
  EXPECT_TRUE(fake.server().requests().empty());
}

TEST_F(Docker, NothingHasANameBeforeCommit) {
  const auto digest = io::digest_of("content");
  {
    const auto destination = open_docker_destination(named(fake.host() + "/app:1"), {});
    EXPECT_FALSE(destination->try_reuse({.media_type = "", .digest = digest, .size = 7}, {}, std::nullopt, {}));
    io::MemorySource content("content");
    EXPECT_EQ(
        destination->put_blob({.media_type = "", .digest = digest, .size = 7, .use = {}, .reopen = {}}, content, {})
            .digest,
        digest);
    destination->put_manifest({kManifest, kType}, std::nullopt, {});
    EXPECT_EQ(fake.manifest("app", "1"), "");
    EXPECT_TRUE(destination->try_reuse({.media_type = "", .digest = digest, .size = 7}, {}, std::nullopt, {}));
  }
  EXPECT_EQ(fake.manifest("app", "1"), "");
  const auto destination = open_docker_destination(named(fake.host() + "/app:1"), {});
  destination->put_manifest({kManifest, kType}, std::nullopt, {});
  destination->commit({});
  EXPECT_EQ(fake.manifest("app", "1"), kManifest);
}

TEST_F(Docker, BlobOfAnotherRepositoryIsMounted) {
  const auto digest = fake.add_blob("base", "content");
  const auto destination = open_docker_destination(named(fake.host() + "/app:1"), {});
  EXPECT_TRUE(
      destination->try_reuse({.media_type = "", .digest = digest, .size = 7}, {}, named(fake.host() + "/base:1"), {}));
  EXPECT_TRUE(fake.has_blob("app", digest));
  EXPECT_FALSE(destination->try_reuse({.media_type = "", .digest = io::digest_of("x"), .size = 1}, {},
                                      named("other.example/base:1"), {}));
}

TEST_F(Docker, BlobThatWasSeenInAnotherRepositoryIsMounted) {
  const auto digest = fake.add_blob("base", "content");
  const oci::Descriptor blob{.media_type = "", .digest = digest, .size = 7};
  RegistryOptions options;
  options.places = std::make_shared<registry::BlobPlaces>(home.path("places"));
  fake.add_manifest("base", "1", kManifest, kType);
  io::read_all(*open_docker_source(named(fake.host() + "/base:1"), options)->blob(blob, {}), 100, "blob");
  const auto reuse = [&](const std::string& name) {
    options.places = std::make_shared<registry::BlobPlaces>(home.path("places"));
    return open_docker_destination(named(fake.host() + name), options)->try_reuse(blob, {}, std::nullopt, {});
  };
  EXPECT_TRUE(reuse("/app:1"));
  EXPECT_TRUE(fake.has_blob("app", digest));
  EXPECT_EQ(fake.server().count("POST", "from=base"), 1U);
  // It may be gone from there by now: asked for once, and forgotten.
  const oci::Descriptor gone{.media_type = "", .digest = io::digest_of(std::string("gone")), .size = 4};
  options.places->remember(fake.host(), gone.digest, "base");
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(
        open_docker_destination(named(fake.host() + "/app:1"), options)->try_reuse(gone, {}, std::nullopt, {}));
  }
  EXPECT_EQ(fake.server().count("POST", "mount=" + replace_all(gone.digest.str(), ":", "%3A")), 1U);
  EXPECT_EQ(fake.open_uploads(), 0U);
}

TEST_F(Docker, NothingIsAskedTwiceInOneRun) {
  FakeRegistry guarded({.auth = FakeRegistryOptions::Auth::Bearer});
  guarded.add_manifest("app", "1", kManifest, kType);
  const auto digest = guarded.add_blob("app", "content");
  const oci::Descriptor blob{.media_type = "", .digest = digest, .size = 7};
  const RegistryOptions options;
  for (int i = 0; i < 3; ++i) {
    const auto source = open_docker_source(named(guarded.host() + "/app:1"), options);
    for (int j = 0; j < 2; ++j) EXPECT_EQ(source->manifest(std::nullopt, {}).bytes, kManifest);
  }
  EXPECT_EQ(guarded.server().count("GET", "/token"), 1U);
  EXPECT_EQ(guarded.server().count("GET", "/v2/?"), 1U);
  EXPECT_EQ(guarded.server().count("GET", "manifests"), 3U);
  const auto destination = open_docker_destination(named(guarded.host() + "/app:1"), options);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(destination->try_reuse(blob, {}, std::nullopt, {}));
  EXPECT_EQ(guarded.server().count("HEAD", digest.str()), 1U);
}

}  // namespace
}  // namespace proa::transport
