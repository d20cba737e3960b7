#include <thread>

#include "libcommon/base/base64.h"
#include "tests/support/registry_fixture.h"

namespace proa::registry {
namespace {

using namespace proa::testing;
using Auth = FakeRegistryOptions::Auth;

const std::string kType = "application/vnd.oci.image.manifest.v1+json";

TEST(RegistryAuth, BasicAndBearer) {
  for (const auto auth : {Auth::Basic, Auth::Bearer}) {
    FakeRegistry fake({.auth = auth});
    fake.add_manifest("app", "1", "{}", kType);
    EXPECT_EQ(open(fake, Access::Pull, with_password("user", "secret")).manifest("1").raw, "{}");
  }
}

TEST(RegistryAuth, WrongPasswordIsTriedOnceAndCalledWrong) {
  for (const auto auth : {Auth::Basic, Auth::Bearer}) {
    FakeRegistry fake({.auth = auth});
    const auto error = error_of([&] { open(fake, Access::Pull, with_password("user", "wr0ng")).manifest("1"); });
    EXPECT_EQ(error.code(), ErrorCode::Unauthorized);
    EXPECT_EQ(error.hint(), "check the name and the password; `proa login " + fake.host() + "` stores others");
    EXPECT_NE(error.message().find("wrong user name or password"), std::string::npos) << error.message();
    EXPECT_EQ(error.text().find("wr0ng"), std::string::npos);
    const auto shown = "Basic " + base64_encode("user:wr0ng");
    int times = 0;
    for (const auto& request : fake.server().requests()) times += request.header("authorization") == shown;
    EXPECT_EQ(times, 1);
  }
}

TEST(RegistryAuth, AnonymousGetsATokenWithoutCredentials) {
  FakeRegistry fake({.auth = Auth::Bearer});
  fake.add_manifest("app", "1", "{}", kType);
  EXPECT_EQ(open(fake).manifest("1").raw, "{}");
  const auto requests = fake.server().requests();
  for (const auto& request : requests) {
    if (request.path != "/token") continue;
    EXPECT_EQ(request.header("authorization"), "");
    EXPECT_EQ(request.query, "service=fake&scope=repository%3Aapp%3Apull");
  }
}

TEST(RegistryAuth, OneTokenServesManyThreads) {
  FakeRegistry fake({.auth = Auth::Bearer});
  fake.add_manifest("app", "1", "{}", kType);
  const auto repository = open(fake);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 6; ++i) threads.emplace_back([&] { EXPECT_EQ(repository.manifest("1").raw, "{}"); });
  threads.clear();
  EXPECT_EQ(fake.server().count("GET", "/token"), 1U);
  EXPECT_EQ(fake.server().count("GET", "/v2/?"), 1U);
}

TEST(RegistryAuth, TokenThatRunsOutIsRenewedInTheMiddleOfABlob) {
  FakeRegistry fake({.auth = Auth::Bearer});
  const std::string big = noise(3 << 20);
  const auto digest = fake.add_blob("app", big);
  fake.server().add({.method = "GET", .path_contains = digest.str(), .cut_after = 1000000});
  const auto repository = open(fake);
  auto source = repository.unverified_blob({.media_type = "", .digest = digest, .size = big.size()});
  std::string start(100, '\0');
  source->read(std::as_writable_bytes(std::span(start)));
  fake.expire_tokens();
  EXPECT_EQ(start + io::read_all(*source, 1 << 30, "blob"), big);
  EXPECT_EQ(fake.server().count("GET", "/token"), 2U);
}

TEST(RegistryAuth, ShortLivedTokensAreRenewedByThemselves) {
  FakeRegistry fake({.auth = Auth::Bearer, .token_life = 1});
  fake.add_manifest("app", "1", "{}", kType);
  const auto repository = open(fake);
  repository.manifest("1");
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  repository.manifest("1");
  EXPECT_EQ(fake.server().count("GET", "/token"), 2U);
}

TEST(RegistryAuth, IdentityTokenTravelsInThePostBody) {
  FakeRegistry fake({.auth = Auth::Bearer, .identity_token = "refresh-me"});
  fake.add_manifest("app", "1", "{}", kType);
  auto options = with_password("", "");
  options.credentials->identity_token = "refresh-me";
  EXPECT_EQ(open(fake, Access::Pull, options).manifest("1").raw, "{}");
  options.credentials->identity_token = "other";
  EXPECT_EQ(error_of([&] { open(fake, Access::Pull, options).manifest("1"); }).code(), ErrorCode::Unauthorized);
  for (const auto& request : fake.server().requests()) EXPECT_EQ(request.query.find("refresh-me"), std::string::npos);
}

TEST(RegistryAuth, BusyTokenServerIsAskedAgain) {
  FakeRegistry fake({.auth = Auth::Bearer});
  fake.add_manifest("app", "1", "{}", kType);
  fake.server().add({.path_contains = "/token", .instead = FakeAnswer{.status = 503, .headers = {}, .body = {}}});
  EXPECT_EQ(open(fake).manifest("1").raw, "{}");
}

// go-containerregistry 2193: any host could be named as realm, and got the password.
TEST(RegistryAuth, TokenServerOnAnotherHostIsNotToldThePassword) {
  FakeServer elsewhere(
      [](const FakeRequest&) { return FakeAnswer{.status = 200, .headers = {}, .body = R"({"token":"x"})"}; },
      "127.0.0.2");
  FakeRegistry fake({.auth = Auth::Bearer, .realm = elsewhere.url() + "/token"});
  error_of([&] { open(fake, Access::Pull, with_password("user", "secret")).manifest("1"); });
  auto identity = with_password("", "");
  identity.credentials->identity_token = "refresh-me";
  error_of([&] { open(fake, Access::Pull, identity).manifest("1"); });
  ASSERT_GE(elsewhere.requests().size(), 2U);
  for (const auto& request : elsewhere.requests()) {
    EXPECT_EQ(request.header("authorization"), "");
    EXPECT_EQ(request.body, "");
    EXPECT_EQ(request.query.find("account"), std::string::npos);
  }
}

TEST(RegistryAuth, TokenWithControlBytesIsRefused) {
  FakeRegistry fake({.auth = Auth::Bearer});
  const FakeAnswer answer{.status = 200, .headers = {}, .body = R"({"token":"a\r\nX-Evil: 1"})"};
  fake.server().add({.path_contains = "/token", .times = -1, .instead = answer});
  EXPECT_EQ(error_of([&] { open(fake).manifest("1"); }).code(), ErrorCode::Corrupt);
}

TEST(RegistryAuth, BlobsElsewhereAreFetchedWithoutCredentials) {
  const std::string big = noise(100000);
  FakeServer cdn([&](const FakeRequest&) { return FakeAnswer{.status = 200, .headers = {}, .body = big}; },
                 "127.0.0.2");
  for (const auto auth : {Auth::Basic, Auth::Bearer}) {
    FakeRegistry fake({.auth = auth});
    const auto digest = fake.add_blob("app", big);
    const FakeAnswer away{.status = 307, .headers = {{"Location", cdn.url() + "/blob?signature=x"}}, .body = {}};
    fake.server().add({.method = "GET", .path_contains = digest.str(), .times = -1, .instead = away});
    const auto repository = open(fake, Access::Pull, with_password("user", "secret"));
    auto source = repository.unverified_blob({.media_type = "", .digest = digest, .size = big.size()});
    EXPECT_EQ(io::read_all(*source, 1 << 30, "blob"), big);
  }
  ASSERT_EQ(cdn.requests().size(), 2U);
  for (const auto& request : cdn.requests()) EXPECT_EQ(request.header("authorization"), "");
}

TEST(RegistryAuth, LoginAsksTheRegistry) {
  for (const auto auth : {Auth::Basic, Auth::Bearer}) {
    FakeRegistry fake({.auth = auth});
    Session(fake.host(), with_password("user", "secret")).check_credentials();
    EXPECT_EQ(error_of([&] { Session(fake.host(), with_password("user", "other")).check_credentials(); }).code(),
              ErrorCode::Unauthorized);
  }
}

TEST(RegistryScheme, PlainHttpIsForLoopbackUnlessTlsIsAskedFor) {
  FakeRegistry fake;
  EXPECT_EQ(Session(fake.host(), quick_options()).base_url(), "http://" + fake.host());
  auto options = quick_options();
  options.tls_verify = true;
  const auto error = error_of([&] { Session(fake.host(), options).base_url(); });
  EXPECT_EQ(error.code(), ErrorCode::Unavailable);
  EXPECT_NE(error.hint().find("--tls-verify=false"), std::string::npos);
  options.tls_verify = false;
  EXPECT_EQ(Session(fake.host(), options).base_url(), "http://" + fake.host());
}

TEST(RegistryScheme, WhatIsNoRegistryIsSaidToBeNone) {
  FakeServer server(
      [](const FakeRequest&) { return FakeAnswer{.status = 404, .headers = {}, .body = "nothing here"}; });
  EXPECT_EQ(error_of([&] { Session(server.authority(), quick_options()).base_url(); }).code(), ErrorCode::NotFound);
}

}  // namespace
}  // namespace proa::registry
