#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "tests/support/registry_fixture.h"

namespace proa::registry {
namespace {

using namespace proa::testing;

const std::string kType(oci::kOciManifest);

oci::Descriptor descriptor_of(const std::string& bytes) {
  return {.media_type = std::string(oci::kOciLayer), .digest = io::digest_of(bytes), .size = bytes.size()};
}

std::string read_blob(const Repository& repository, const oci::Descriptor& blob) {
  io::VerifyingSource source(repository.unverified_blob(blob), blob.digest, blob.size, "blob");
  return io::read_all(source, 1 << 30, "blob");
}

class Pull : public ::testing::Test {
 protected:
  Pull() { fake.add_blob("app", big); }
  FakeRegistry fake;
  const std::string big = noise(3 << 20);
  const oci::Descriptor blob = descriptor_of(big);
  const std::string path = "/blobs/" + blob.digest.str();
};

TEST_F(Pull, ManifestByTagAndByDigest) {
  const auto digest = fake.add_manifest("app", "1.0", "{}", kType + "; charset=utf-8");
  const auto repository = open(fake);
  const auto found = repository.manifest("1.0");
  EXPECT_EQ(found.raw, "{}");
  EXPECT_EQ(found.media_type, kType);
  EXPECT_EQ(found.digest, digest);
  EXPECT_EQ(repository.manifest(digest.str()).raw, "{}");
  EXPECT_EQ(repository.manifest_digest("1.0"), digest);
  EXPECT_EQ(repository.manifest_digest("2.0"), std::nullopt);
  const auto accept = fake.server().requests().back().header("accept");
  for (const auto type : {oci::kOciManifest, oci::kOciIndex, oci::kDockerManifest, oci::kDockerManifestList}) {
    EXPECT_NE(accept.find(type), std::string::npos);
  }
}

TEST_F(Pull, MissingManifestSaysWhatTheRegistrySays) {
  const auto error = error_of([&] { open(fake).manifest("2.0"); });
  EXPECT_EQ(error.code(), ErrorCode::NotFound);
  EXPECT_EQ(error.text(), "reading manifest 2.0 in " + fake.host() + "/app: manifest unknown");
}

TEST_F(Pull, WrongManifestIsNoticed) {
  const auto digest = fake.add_manifest("app", "1.0", "{}", kType);
  const auto falsify = [](FakeAnswer& answer) { answer.body = "{ }"; };
  fake.server().add({.path_contains = "manifests/1.0", .edit = falsify});
  EXPECT_EQ(error_of([&] { open(fake).manifest("1.0"); }).code(), ErrorCode::Corrupt);
  const auto falsify_all = [](FakeAnswer& answer) {
    answer.body = "{ }";
    answer.headers.clear();
  };
  fake.server().add({.path_contains = "manifests/sha256", .edit = falsify_all});
  EXPECT_EQ(error_of([&] { open(fake).manifest(digest.str()); }).code(), ErrorCode::Corrupt);
}

TEST_F(Pull, EndlessManifestIsRefused) {
  fake.add_manifest("app", "1.0", "{}", kType);
  fake.server().add({.path_contains = "manifests/", .flood = 100 << 20});
  EXPECT_EQ(error_of([&] { open(fake).manifest("1.0"); }).code(), ErrorCode::LimitExceeded);
  EXPECT_LT(fake.server().bytes_sent(), 32U << 20);
}

TEST_F(Pull, DockerSchema1IsRefused) {
  fake.add_manifest("app", "old", "{}", "application/vnd.docker.distribution.manifest.v1+prettyjws");
  EXPECT_EQ(error_of([&] { open(fake).manifest("old"); }).code(), ErrorCode::Unsupported);
}

TEST_F(Pull, BlobArrives) {
  EXPECT_TRUE(open(fake).has_blob(blob.digest));
  EXPECT_FALSE(open(fake).has_blob(io::digest_of("other")));
  EXPECT_EQ(read_blob(open(fake), blob), big);
  EXPECT_EQ(error_of([&] { read_blob(open(fake), descriptor_of("other")); }).code(), ErrorCode::Io);
}

TEST_F(Pull, RestOfABlobIsAskedForByRange) {
  const auto read_from = [&](std::uint64_t offset) {
    return io::read_all(*open(fake).unverified_blob(blob, {}, offset), 1 << 30, "blob");
  };
  EXPECT_EQ(read_from(2000000), big.substr(2000000));
  EXPECT_LT(fake.server().bytes_sent(), big.size() - 2000000 + 1000);
  EXPECT_EQ(read_from(big.size()), "");
  fake.server().add({.path_contains = path, .cut_after = 500000});
  EXPECT_EQ(read_from(2000000), big.substr(2000000));
  fake.server().add({.path_contains = path, .ignore_range = true});
  EXPECT_EQ(read_from(2000000), big.substr(2000000));
}

TEST_F(Pull, BrokenTransferGoesOnWhereItStopped) {
  for (auto fault : {Fault{.cut_after = 1000000}, Fault{.cut_after = 1000000, .chunked = true},
                     Fault{.cut_after = 1000000, .no_length = true}, Fault{.cut_after = 0}, Fault{.drop = true}}) {
    fault.path_contains = path;
    const auto before = fake.server().bytes_sent();
    fake.server().add(fault);
    EXPECT_EQ(read_blob(open(fake), blob), big);
    EXPECT_LT(fake.server().bytes_sent() - before, big.size() + 1000);
  }
}

TEST_F(Pull, StalledTransferGoesOnWhereItStopped) {
  auto options = quick_options();
  options.timeouts.stall = std::chrono::milliseconds(500);
  fake.server().add({.path_contains = path, .stall_after = 1000000});
  EXPECT_EQ(read_blob(open(fake, Access::Pull, options), blob), big);
}

TEST_F(Pull, TransferThatBreaksAgainAndAgainArrives) {
  fake.server().add({.path_contains = path, .times = -1, .cut_after = 200000});
  EXPECT_EQ(read_blob(open(fake), blob), big);
  EXPECT_EQ(fake.server().count("GET", path), (big.size() + 199999) / 200000);
}

TEST_F(Pull, TransferThatNeverMovesEnds) {
  fake.server().add({.path_contains = path, .times = -1, .cut_after = 0});
  EXPECT_EQ(error_of([&] { read_blob(open(fake), blob); }).code(), ErrorCode::Unavailable);
  EXPECT_LE(fake.server().count("GET", path), 8U);
}

TEST_F(Pull, ServerWithoutRangesIsReadFromItsStart) {
  fake.server().add({.path_contains = path, .cut_after = 1000000});
  fake.server().add({.path_contains = path, .ignore_range = true});
  EXPECT_EQ(read_blob(open(fake), blob), big);
  fake.server().add({.path_contains = path, .cut_after = 1000000});
  fake.server().add({.path_contains = path, .instead = FakeAnswer{.status = 416, .headers = {}, .body = {}}});
  EXPECT_EQ(read_blob(open(fake), blob), big);
}

TEST_F(Pull, WrongPartIsNotUsed) {
  fake.server().add({.path_contains = path, .cut_after = 1000000});
  fake.server().add({.path_contains = path, .shift_range = "bytes 999-3145727/3145728"});
  EXPECT_EQ(read_blob(open(fake), blob), big);
  EXPECT_EQ(fake.server().count("GET", path), 3U);
}

TEST_F(Pull, WrongBytesAreNeverABlob) {
  const auto flip = [](FakeAnswer& answer) { answer.body[1000] ^= 1; };
  const auto shorten = [](FakeAnswer& answer) { answer.body.resize(answer.body.size() - 10); };
  const auto lengthen = [](FakeAnswer& answer) { answer.body += "x"; };
  for (const auto& edit : {std::function<void(FakeAnswer&)>(flip), std::function<void(FakeAnswer&)>(lengthen)}) {
    fake.server().add({.path_contains = path, .edit = edit});
    EXPECT_EQ(error_of([&] { read_blob(open(fake), blob); }).code(), ErrorCode::Corrupt);
  }
  fake.server().add({.path_contains = path, .times = -1, .ignore_range = true, .edit = shorten});
  const auto code = error_of([&] { read_blob(open(fake), blob); }).code();
  EXPECT_TRUE(code == ErrorCode::Corrupt || code == ErrorCode::Unavailable);
}

TEST_F(Pull, FloodEndsOneByteAfterTheBlob) {
  fake.server().add({.path_contains = path, .flood = 200 << 20});
  EXPECT_EQ(error_of([&] { read_blob(open(fake), blob); }).code(), ErrorCode::Corrupt);
  EXPECT_LT(fake.server().bytes_sent(), 40U << 20);
}

TEST_F(Pull, TooLargeLengthDoesNotSpoilAGoodBlob) {
  fake.server().add({.path_contains = path, .add_to_length = 1000});
  EXPECT_EQ(read_blob(open(fake), blob), big);
}

TEST_F(Pull, ContentEncodingIsNotBelieved) {
  const auto lie = [](FakeAnswer& answer) { answer.headers.emplace_back("Content-Encoding", "gzip"); };
  fake.server().add({.path_contains = path, .edit = lie});
  EXPECT_EQ(read_blob(open(fake), blob), big);
}

TEST_F(Pull, BusyRegistryIsAskedAgain) {
  for (const int status : {429, 500, 502, 503}) {
    fake.server().add(
        {.path_contains = path, .times = 2, .instead = FakeAnswer{.status = status, .headers = {}, .body = {}}});
    EXPECT_EQ(read_blob(open(fake), blob), big);
  }
  fake.server().add(
      {.path_contains = path, .instead = FakeAnswer{.status = 429, .headers = {{"Retry-After", "1"}}, .body = {}}});
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(read_blob(open(fake), blob), big);
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::seconds(1));
}

TEST_F(Pull, RegistryThatStaysBusyIsGivenUp) {
  fake.server().add(
      {.path_contains = path, .times = -1, .instead = FakeAnswer{.status = 429, .headers = {}, .body = {}}});
  EXPECT_EQ(error_of([&] { read_blob(open(fake), blob); }).code(), ErrorCode::Unavailable);
  EXPECT_EQ(fake.server().count("GET", path), 4U);
  // Sent away for an hour: asked once more when the patience ends.
  fake.server().add({.path_contains = "manifests",
                     .times = -1,
                     .instead = FakeAnswer{.status = 429, .headers = {{"Retry-After", "3600"}}, .body = {}}});
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(error_of([&] { open(fake).manifest("1"); }).code(), ErrorCode::Unavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
  EXPECT_EQ(fake.server().count("GET", "manifests"), 2U);
}

TEST_F(Pull, WordsOfTheRegistryAreEscaped) {
  const std::string body = "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"\\u001b]0;owned\\u0007\\nline\"}]}";
  fake.server().add({.path_contains = "manifests", .instead = FakeAnswer{.status = 403, .headers = {}, .body = body}});
  const auto error = error_of([&] { open(fake).manifest("1"); });
  EXPECT_EQ(error.code(), ErrorCode::Unauthorized);
  EXPECT_EQ(error.text().find_first_of("\x1b\x07\n"), std::string::npos);
  EXPECT_NE(error.hint().find("proa login " + fake.host()), std::string::npos);
}

TEST(Tags, ComeInPages) {
  FakeRegistry fake({.page = 7});
  for (int i = 0; i < 50; ++i) fake.add_manifest("app", "tag" + std::to_string(1000 + i), "{}", kType);
  const auto tags = open(fake).tags();
  ASSERT_EQ(tags.size(), 50U);
  EXPECT_EQ(tags.front(), "tag1000");
  EXPECT_EQ(tags.back(), "tag1049");
  EXPECT_EQ(fake.server().count("GET", "tags/list"), 8U);
}

TEST(Tags, PagesInACircleEnd) {
  FakeRegistry fake;
  fake.add_manifest("app", "one", "{}", kType);
  const FakeAnswer circle{
      .status = 200, .headers = {{"Link", "</v2/app/tags/list>; rel=\"next\""}}, .body = R"({"tags":[]})"};
  fake.server().add({.path_contains = "tags/list", .times = -1, .instead = circle});
  EXPECT_TRUE(open(fake).tags().empty());
}

TEST(Tags, PagesOnAnotherHostGetNoCredentials) {
  FakeServer other(
      [](const FakeRequest&) { return FakeAnswer{.status = 200, .headers = {}, .body = R"({"tags":["evil"]})"}; },
      "127.0.0.2");
  FakeRegistry fake({.auth = FakeRegistryOptions::Auth::Basic});
  const FakeAnswer away{
      .status = 200, .headers = {{"Link", "<" + other.url() + "/x>; rel=\"next\""}}, .body = R"({"tags":["a"]})"};
  fake.server().add({.path_contains = "tags/list", .instead = away});
  open(fake, Access::Pull, with_password("user", "secret")).tags();
  ASSERT_EQ(other.requests().size(), 1U);
  EXPECT_EQ(other.requests()[0].header("authorization"), "");
}

}  // namespace
}  // namespace proa::registry
