#include "libcommon/io/digest_stream.h"
#include "tests/support/registry_fixture.h"

namespace proa::registry {
namespace {

using namespace proa::testing;

constexpr std::size_t kMiB = 1 << 20;

struct PushCase {
  std::size_t size;
  bool digest_known;
};

class Push : public ::testing::TestWithParam<PushCase> {
 protected:
  std::string content = noise(GetParam().size);
  oci::Digest digest = io::digest_of(content);
  FakeRegistry fake;

  UploadPlan plan() const {
    return GetParam().digest_known ? UploadPlan{.digest = digest, .size = content.size()} : UploadPlan{};
  }
  UploadedBlob put() {
    io::MemorySource source(content);
    return open(fake, Access::Push).put_blob(source, plan());
  }
  bool is_there() const { return fake.has_blob("app", digest); }
};

INSTANTIATE_TEST_SUITE_P(Sizes, Push,
                         ::testing::Values(PushCase{0, true}, PushCase{1000, true}, PushCase{1000, false},
                                           PushCase{3 * kMiB, true}, PushCase{3 * kMiB, false},
                                           PushCase{9 * kMiB, true}, PushCase{9 * kMiB, false}));

TEST_P(Push, BlobArrives) {
  const auto stored = put();
  EXPECT_EQ(stored.digest, digest);
  EXPECT_EQ(stored.size, content.size());
  EXPECT_TRUE(is_there());
  EXPECT_EQ(fake.open_uploads(), 0U);
}

TEST_P(Push, BusyRegistryIsAskedAgain) {
  const FakeAnswer busy{.status = 503, .headers = {}, .body = {}};
  fake.server().add({.method = "POST", .path_contains = "uploads", .instead = busy});
  fake.server().add({.method = "PUT", .path_contains = "uploads", .instead = busy});
  // A content beyond the window is taken up where the registry stands.
  EXPECT_EQ(put().digest, digest);
  EXPECT_TRUE(is_there());
  EXPECT_EQ(fake.open_uploads(), 0U);
}

TEST_P(Push, AnswerThatGotLostIsFoundOut) {
  // The blob is stored, and then the connection breaks.
  const FakeAnswer lost{.status = 502, .headers = {}, .body = {}};
  fake.server().add({.method = "PUT", .path_contains = "uploads", .edit = [&](FakeAnswer& answer) { answer = lost; }});
  EXPECT_EQ(put().digest, digest);
  EXPECT_TRUE(is_there());
  EXPECT_EQ(fake.server().count("PUT", "uploads"), 1U);
}

TEST_P(Push, RefusalIsToldWithTheRegistrysWords) {
  const FakeAnswer denied{.status = 403, .headers = {}, .body = R"({"errors":[{"code":"DENIED","message":"no"}]})"};
  fake.server().add({.method = "PUT", .path_contains = "uploads", .times = -1, .instead = denied});
  const auto error = error_of([&] { put(); });
  EXPECT_EQ(error.code(), ErrorCode::Unauthorized);
  EXPECT_NE(error.text().find("denied: no"), std::string::npos);
  EXPECT_EQ(fake.open_uploads(), 0U);
}

TEST(PushBlob, UploadThatBreaksStartsAgain) {
  for (const std::size_t size : {1000 * std::size_t{1}, 3 * kMiB}) {
    FakeRegistry fake;
    const auto content = noise(size);
    fake.server().add({.method = size > kMiB ? "PATCH" : "PUT",
                       .path_contains = "uploads",
                       .times = 2,
                       .cut_upload_after = size / 2});
    io::MemorySource source(content);
    const auto stored = open(fake, Access::Push).put_blob(source, {.digest = io::digest_of(content), .size = size});
    EXPECT_TRUE(fake.has_blob("app", stored.digest));
  }
}

TEST(PushBlob, LargeUploadIsTakenUpWhereTheRegistryStands) {
  for (const bool known : {true, false}) {
    FakeRegistry fake;
    const auto content = noise(16 * kMiB);
    const auto digest = io::digest_of(content);
    fake.server().add(
        {.method = "PATCH", .path_contains = "uploads", .cut_upload_after = 12 * kMiB, .deliver_part = true});
    io::MemorySource source(content);
    const auto plan = known ? UploadPlan{.digest = digest, .size = content.size()} : UploadPlan{};
    EXPECT_EQ(open(fake, Access::Push).put_blob(source, plan).digest, digest);
    EXPECT_TRUE(fake.has_blob("app", digest));
    EXPECT_EQ(fake.server().count("POST", "uploads"), 1U);
  }
}

TEST(PushBlob, LargeUploadThatCannotBeTakenUpFails) {
  FakeRegistry fake;
  const auto content = noise(16 * kMiB);
  fake.server().add({.method = "PATCH", .path_contains = "uploads", .cut_upload_after = 12 * kMiB});
  io::MemorySource source(content);
  EXPECT_EQ(error_of([&] {
              open(fake, Access::Push).put_blob(source, {.digest = io::digest_of(content), .size = content.size()});
            }).code(),
            ErrorCode::Unavailable);
  EXPECT_EQ(fake.open_uploads(), 0U);
}

TEST(PushBlob, LargeUploadStartsAgainWhenItsContentCanBeOpenedAgain) {
  FakeRegistry fake;
  const auto content = noise(16 * kMiB);
  const auto digest = io::digest_of(content);
  fake.server().add({.method = "PATCH", .path_contains = "uploads", .times = 2, .cut_upload_after = 12 * kMiB});
  io::MemorySource source(content);
  const auto reopen = [&](std::uint64_t offset) { return std::make_unique<io::MemorySource>(content.substr(offset)); };
  const auto stored =
      open(fake, Access::Push).put_blob(source, {.digest = digest, .size = content.size(), .reopen = reopen});
  EXPECT_EQ(stored.digest, digest);
  EXPECT_EQ(stored.size, content.size());
  EXPECT_TRUE(fake.has_blob("app", digest));
  EXPECT_EQ(fake.open_uploads(), 0U);
  EXPECT_EQ(fake.server().count("POST", "uploads"), 3U);
}

TEST(PushBlob, WrongContentIsNotStored) {
  for (const std::size_t size : {1000 * std::size_t{1}, 3 * kMiB}) {
    const auto content = noise(size);
    for (const auto& plan : {UploadPlan{.digest = io::digest_of("other"), .size = size},
                             UploadPlan{.digest = io::digest_of(content), .size = size + 5},
                             UploadPlan{.digest = io::digest_of(content), .size = size - 5}}) {
      FakeRegistry fake;
      io::MemorySource source(content);
      EXPECT_EQ(error_of([&] { open(fake, Access::Push).put_blob(source, plan); }).code(), ErrorCode::Corrupt);
      EXPECT_FALSE(fake.has_blob("app", *plan.digest));
      EXPECT_EQ(fake.open_uploads(), 0U);
      EXPECT_EQ(fake.server().count("PUT", "uploads"), 0U);
    }
  }
}

TEST(PushBlob, TokenThatRanOutIsRenewedAndTheUploadStartsAgain) {
  FakeRegistry fake({.auth = FakeRegistryOptions::Auth::Bearer});
  const FakeAnswer expired{.status = 401, .headers = {}, .body = {}};
  fake.server().add({.method = "PATCH", .path_contains = "uploads", .instead = expired, .before_body = true});
  const auto content = noise(3 * kMiB);
  io::MemorySource source(content);
  const auto stored =
      open(fake, Access::Push).put_blob(source, {.digest = io::digest_of(content), .size = content.size()});
  EXPECT_TRUE(fake.has_blob("app", stored.digest));
  EXPECT_EQ(fake.server().count("GET", "/token"), 2U);
  for (const auto& request : fake.server().requests()) {
    if (request.path != "/token") continue;
    EXPECT_EQ(request.query, "service=fake&scope=repository%3Aapp%3Apull%2Cpush");
  }
}

TEST(PushBlob, LocationOnAnotherHostGetsNoCredentials) {
  FakeServer other([](const FakeRequest&) { return FakeAnswer{.status = 201, .headers = {}, .body = {}}; },
                   "127.0.0.2");
  FakeRegistry fake({.auth = FakeRegistryOptions::Auth::Basic});
  const FakeAnswer away{.status = 202, .headers = {{"Location", other.url() + "/upload"}}, .body = {}};
  fake.server().add({.method = "POST", .path_contains = "uploads", .instead = away});
  io::MemorySource source("content");
  open(fake, Access::Push, with_password("user", "secret")).put_blob(source, {});
  ASSERT_FALSE(other.requests().empty());
  for (const auto& request : other.requests()) EXPECT_EQ(request.header("authorization"), "");
}

TEST(PushBlob, RegistryThatCannotSayWhatItHasGetsTheBlob) {
  const auto ask = [](int status) {
    FakeRegistry fake;
    const auto digest = fake.add_blob("app", "content");
    fake.server().add(
        {.method = "HEAD", .times = -1, .instead = FakeAnswer{.status = status, .headers = {}, .body = {}}});
    return open(fake, Access::Push).has_blob(digest);
  };
  for (const int status : {405, 500, 501}) EXPECT_FALSE(ask(status)) << status;
  EXPECT_EQ(error_of([&] { (void)ask(403); }).code(), ErrorCode::Unauthorized);
}

TEST(PushBlob, UploadWithoutLocationIsRefused) {
  FakeRegistry fake;
  fake.server().add(
      {.method = "POST", .path_contains = "uploads", .instead = FakeAnswer{.status = 202, .headers = {}, .body = {}}});
  io::MemorySource source("content");
  EXPECT_EQ(error_of([&] { open(fake, Access::Push).put_blob(source, {}); }).code(), ErrorCode::Corrupt);
}

TEST(PushBlob, IsMountedFromAnotherRepository) {
  FakeRegistry fake({.auth = FakeRegistryOptions::Auth::Bearer});
  const auto digest = fake.add_blob("base", "content");
  const auto repository = open(fake, Access::Push);
  EXPECT_TRUE(repository.mount_blob(digest, "base"));
  EXPECT_TRUE(fake.has_blob("app", digest));
  EXPECT_FALSE(repository.mount_blob(io::digest_of("other"), "base"));
  EXPECT_EQ(fake.open_uploads(), 0U);
  EXPECT_GE(fake.server().count("GET", "scope=repository%3Aapp%3Apull%2Cpush&scope=repository%3Abase%3Apull"), 1U);
}

TEST(PushManifest, ByTagAndByDigest) {
  FakeRegistry fake;
  const auto repository = open(fake, Access::Push);
  const std::string raw = R"({"schemaVersion":2})";
  const auto digest = repository.put_manifest("1.0", raw, "application/vnd.oci.image.manifest.v1+json");
  EXPECT_EQ(digest, io::digest_of(raw));
  EXPECT_EQ(fake.manifest("app", "1.0"), raw);
  EXPECT_EQ(error_of([&] { repository.put_manifest(digest.str(), raw + " ", "application/x"); }).code(),
            ErrorCode::Corrupt);
  EXPECT_EQ(repository.manifest("1.0").media_type, "application/vnd.oci.image.manifest.v1+json");
}

TEST(PushManifest, OtherDigestInTheAnswerIsNoticed) {
  FakeRegistry fake;
  const FakeAnswer other{
      .status = 201, .headers = {{"Docker-Content-Digest", io::digest_of("other").str()}}, .body = {}};
  fake.server().add({.method = "PUT", .path_contains = "manifests", .instead = other});
  EXPECT_EQ(error_of([&] { open(fake, Access::Push).put_manifest("1", "{}", "application/x"); }).code(),
            ErrorCode::Corrupt);
}

TEST(DeleteManifest, RemovesIt) {
  FakeRegistry fake;
  const auto digest = fake.add_manifest("app", "", "{}", "application/x");
  open(fake, Access::Delete).delete_manifest(digest);
  EXPECT_EQ(fake.manifest("app", digest.str()), "");
  EXPECT_EQ(error_of([&] { open(fake, Access::Delete).delete_manifest(digest); }).code(), ErrorCode::NotFound);
}

}  // namespace
}  // namespace proa::registry
