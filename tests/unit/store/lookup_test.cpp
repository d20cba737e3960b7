// What readers see: names, ids, digests, layers; and stores that must not be used.
#include <sys/stat.h>

#include <fstream>

#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/store/layout.h"
#include "tests/unit/store/store_fixture.h"

namespace proa::store {
namespace {

class LookupTest : public StoreTest {
 protected:
  ErrorCode code_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorCode::Internal;
  }
};

TEST_F(LookupTest, FindsByNameIdPrefixAndDigest) {
  Store store = open_store();
  const StoredImage image = put(store, small_image("a"), {"hello", "registry.example:5000/team/app:1.0"});
  const std::string hex(image.id.hex());
  const std::string digest = image.manifest.digest.str();
  for (const std::string& text :
       {std::string("hello"), std::string("hello:latest"), std::string("docker.io/library/hello"),
        std::string("registry.example:5000/team/app:1.0"), hex, "sha256:" + hex, hex.substr(0, 12), hex.substr(0, 3),
        "sha256:" + hex.substr(0, 8), "hello@" + digest, "registry.example:5000/team/app@" + digest}) {
    auto found = store.find(text);
    ASSERT_TRUE(found.has_value()) << text;
    EXPECT_EQ(found->id, image.id) << text;
  }
  for (const std::string& text : {std::string("hello:2"), std::string("team/app:1.0"), std::string("other@") + digest,
                                  "hello@sha256:" + std::string(64, '0'), std::string(64, '0')}) {
    EXPECT_FALSE(store.find(text).has_value()) << text;
  }
  EXPECT_EQ(code_of([&] { store.find("Upper/Case"); }), ErrorCode::InvalidArgument);
  EXPECT_EQ(code_of([&] { store.get("nothing"); }), ErrorCode::NotFound);
}

TEST_F(LookupTest, ListsOneImageWithAllItsNamesNewestFirst) {
  Store store = open_store();
  TestImage old = small_image("old"), fresh = small_image("fresh");
  old.created = "2020-01-01T00:00:00Z";
  fresh.created = "2026-05-05T00:00:00.5Z";
  put(store, old, {"x:old", "y:old"});
  put(store, fresh, {"x:new"});
  put(store, old, {"z:old"});
  std::vector<StoredImage> images = store.list();
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0].names, std::vector<std::string>{"docker.io/library/x:new"});
  EXPECT_EQ(images[1].names, (std::vector<std::string>{"docker.io/library/x:old", "docker.io/library/y:old",
                                                       "docker.io/library/z:old"}));
  EXPECT_EQ(images[1].manifest.platform->architecture, "amd64");
  EXPECT_EQ(store.overlay_lowers(images[0]).size(), 2u);
  EXPECT_EQ(store.overlay_lowers(images[0])[0], store.layer_diff(fresh.chain_ids()[1]));
  EXPECT_EQ(images[0].size, store.layers(images[0])[0].size + store.layers(images[0])[1].size);
}

TEST_F(LookupTest, ANameMovesAndLeavesADanglingImage) {
  Store store = open_store();
  const StoredImage first = put(store, small_image("first"), {"app"});
  const StoredImage second = put(store, small_image("second"), {"app"});
  EXPECT_EQ(store.get("app").id, second.id);
  ASSERT_TRUE(store.find_id(first.id).has_value());
  EXPECT_TRUE(store.find_id(first.id)->names.empty());
  tag(store, *store.find_id(first.id), oci::Reference::parse_normalized("app:first"));
  EXPECT_EQ(store.get("app:first").id, first.id);
  EXPECT_EQ(store.list().size(), 2u) << "the dangling entry gave way to the named one";
  untag(store, oci::Reference::parse_normalized("app:first"));
  EXPECT_TRUE(store.find_id(first.id)->names.empty());
  EXPECT_EQ(code_of([&] { untag(store, oci::Reference::parse_normalized("app:first")); }), ErrorCode::NotFound);
}

TEST_F(LookupTest, BuildStepsAreHiddenAndFoundByKey) {
  Store store = open_store();
  const StoredImage step = put(store, small_image("step"), {}, "RUN make|abc");
  EXPECT_TRUE(store.list().empty());
  ASSERT_TRUE(store.find_cached("RUN make|abc").has_value());
  EXPECT_EQ(store.find_cached("RUN make|abc")->id, step.id);
  EXPECT_EQ(remove_cached(store, {"other"}), 0u);
  EXPECT_EQ(remove_cached(store, {}), 1u);
  EXPECT_FALSE(store.find_cached("RUN make|abc").has_value());
}

TEST_F(LookupTest, OtherToolsReadTheLayoutAndTheirEntriesSurvive) {
  Store store = open_store();
  put(store, small_image("a"), {"hello"});
  const os::Path index = store.image_layout() + "/index.json";
  std::string text = os::read_file(index, 1 << 20);
  EXPECT_NO_THROW(oci::Index::parse(text));
  EXPECT_NE(text.find("\"org.opencontainers.image.ref.name\":\"docker.io/library/hello:latest\""), std::string::npos);
  EXPECT_NE(os::read_file(store.image_layout() + "/oci-layout", 4096).find("\"imageLayoutVersion\":\"1.0.0\""),
            std::string::npos);
  const std::string foreign =
      "{\"digest\":\"sha256:" + std::string(64, 'f') + "\",\"mediaType\":\"x/y\",\"size\":7,\"extra\":[1]}";
  text.replace(text.find("\"manifests\":["), 13, "\"manifests\":[" + foreign + ",");
  std::ofstream(index) << text;
  EXPECT_EQ(store.list().size(), 1u);
  tag(store, store.get("hello"), oci::Reference::parse_normalized("again"));
  EXPECT_NE(os::read_file(index, 1 << 20).find("\"extra\":[1]"), std::string::npos);
}

TEST_F(LookupTest, RefusesStoresOpenToOthersOrNewer) {
  EXPECT_FALSE(Store::try_open(root()).has_value());
  EXPECT_EQ(code_of([&] { Store::open(root(), Store::Create::No); }), ErrorCode::NotFound);
  open_store();
  EXPECT_EQ(os::stat(root()).st_mode & 07777, 0700u);
  ::chmod(root().c_str(), 0750);
  EXPECT_EQ(code_of([&] { open_store(); }), ErrorCode::PermissionDenied);
  ::chmod(root().c_str(), 0700);
  std::ofstream(root() + "/layout") << "proa store 2\n";
  EXPECT_EQ(code_of([&] { open_store(); }), ErrorCode::Unsupported);
  std::ofstream(root() + "/layout") << "something else\n";
  EXPECT_EQ(code_of([&] { open_store(); }), ErrorCode::Corrupt);
}

TEST_F(LookupTest, DamagedIndexesAreRefused) {
  Store store = open_store();
  for (const char* text :
       {"", "{}", "[]", "{\"manifests\":[1]}", "{\"manifests\":[{\"digest\":\"sha256:../../x\",\"size\":1}]}",
        "{\"manifests\":[{\"digest\":\"sha256:00\",\"size\":-1}]}"}) {
    std::ofstream(root() + "/images/index.json") << text;
    EXPECT_EQ(code_of([&] { store.list(); }), ErrorCode::Corrupt) << text;
  }
}

TEST_F(LookupTest, TheSameImageFromOtherManifestsIsNotAmbiguous) {
  Store store = open_store();
  TestImage image = small_image("a");
  const StoredImage first = put(store, image, {"one"});
  Transaction transaction = Transaction::begin(store, "single");
  std::string manifest = image.manifest();
  manifest.insert(manifest.size() - 1, ",\"annotations\":{\"dev.proa.image-id\":\"sha256:evil\"}");
  const StoredImage second = transaction.put_image(
      manifest, "", {.names = {oci::Reference::parse_normalized("two")}, .repo_digests = {}, .cache_key = {}});
  transaction.commit();
  EXPECT_NE(first.manifest.digest, second.manifest.digest);
  EXPECT_EQ(store.get(first.id.digest().short_id()).id, first.id);
  EXPECT_EQ(store.get("two").id, first.id) << "annotations of the image's own manifest do not steer the store";
}

}  // namespace
}  // namespace proa::store
