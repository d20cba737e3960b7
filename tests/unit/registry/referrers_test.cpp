#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "tests/support/registry_fixture.h"

namespace proa::registry {
namespace {

using namespace proa::testing;

const std::string kType(oci::kOciManifest);
const auto kSubject = io::digest_of(std::string("the image"));
const std::string kTag = "sha256-" + std::string(kSubject.hex());

std::string artifact(const std::string& type, const std::string& note) {
  return R"({"schemaVersion":2,"mediaType":")" + kType + R"(","artifactType":")" + type +
         R"(","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":")" +
         io::digest_of(std::string("{}")).str() + R"(","size":2},"layers":[],"subject":{"mediaType":")" + kType +
         R"(","digest":")" + kSubject.str() + R"(","size":9},"annotations":{"note":")" + note + R"("}})";
}

class Referrers : public ::testing::TestWithParam<bool> {
 protected:
  FakeRegistry fake{{.referrers = GetParam()}};
  Repository repository = open(fake, Access::Push);
};

INSTANTIATE_TEST_SUITE_P(ListAndTag, Referrers, ::testing::Bool());

TEST_P(Referrers, AreFoundAfterTheyWerePushed) {
  EXPECT_TRUE(repository.referrers(kSubject).empty());
  const auto one = artifact("application/x.one", "1");
  const auto two = artifact("application/x.two", "2");
  for (const auto& raw : {one, two, one}) repository.put_manifest(io::digest_of(raw).str(), raw, kType);
  ASSERT_EQ(repository.referrers(kSubject).size(), 2U);
  const auto found = repository.referrers(kSubject, "application/x.two");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].digest, io::digest_of(two));
  EXPECT_EQ(found[0].size, two.size());
  EXPECT_EQ(found[0].artifact_type, "application/x.two");
  // The tag is for registries that keep no list.
  EXPECT_EQ(fake.manifest("app", kTag).empty(), GetParam());
}

TEST_P(Referrers, AreForgottenWhenTheyAreDeleted) {
  const auto one = artifact("application/x.one", "1");
  const auto two = artifact("application/x.one", "2");
  for (const auto& raw : {one, two}) repository.put_manifest(io::digest_of(raw).str(), raw, kType);
  repository.delete_manifest(io::digest_of(one));
  const auto left = repository.referrers(kSubject);
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].digest, io::digest_of(two));
}

TEST(ReferrersTag, CarriesTypeAndAnnotations) {
  FakeRegistry fake;
  const auto repository = open(fake, Access::Push);
  const auto raw = artifact("application/x.one", "remember");
  repository.put_manifest("signed", raw, kType);
  const auto found = repository.referrers(kSubject);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].annotations.at("note"), "remember");
  EXPECT_EQ(repository.manifest(kTag).media_type, oci::kOciIndex);
}

TEST(ReferrersTag, PageOfAnotherKindIsNoList) {
  FakeRegistry fake;
  fake.server().add(
      {.path_contains = "/referrers/",
       .times = -1,
       .instead = FakeAnswer{.status = 200, .headers = {{"Content-Type", "text/html"}}, .body = "<html>"}});
  EXPECT_TRUE(open(fake).referrers(kSubject).empty());
}

TEST(ReferrersTag, DamagedManifestsCanBeDeleted) {
  FakeRegistry fake;
  const auto digest = fake.add_manifest("app", "x", "{\"subject\":", kType);
  open(fake, Access::Delete).delete_manifest(digest);
  EXPECT_EQ(fake.manifest("app", digest.str()), "");
}

}  // namespace
}  // namespace proa::registry
