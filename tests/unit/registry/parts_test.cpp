// Challenges, tokens' rules and retries: what needs no server.
#include <gtest/gtest.h>

#include "libcommon/registry/challenge.h"
#include "libcommon/registry/retry.h"
#include "libcommon/registry/token.h"

namespace proa::registry {
namespace {

TEST(Challenge, IsParsed) {
  const auto found = parse_challenges(
      R"(Bearer realm="https://auth.example/token",service="a, \"b\"",scope="repository:x:pull,push")");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].scheme, "bearer");
  EXPECT_EQ(found[0].parameter("realm"), "https://auth.example/token");
  EXPECT_EQ(found[0].parameter("service"), "a, \"b\"");
  EXPECT_EQ(found[0].parameter("scope"), "repository:x:pull,push");
  EXPECT_EQ(found[0].parameter("nothing"), "");
}

TEST(Challenge, SeveralInOneHeader) {
  const auto found = parse_challenges(R"(Negotiate, Basic realm="x", BEARER Realm=https://h/t?a=b ,service=s)");
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].scheme, "negotiate");
  EXPECT_EQ(found[1].parameter("realm"), "x");
  EXPECT_EQ(found[2].parameter("realm"), "https://h/t?a=b");
  EXPECT_EQ(found[2].parameter("service"), "s");
}

TEST(Challenge, SurvivesNonsense) {
  for (const char* text :
       {"", ",", "=", "\"", "Bearer realm=\"open", "Bearer realm", "Basic =", "Bearer \x01", "a b c d", "x=\"\\"}) {
    (void)parse_challenges(text);
  }
  EXPECT_TRUE(parse_challenges("=x").empty());
}

struct RealmCase {
  const char *registry, *realm;
  bool verified, told;
};

TEST(TokenRealm, LearnsThePasswordOfItsOwnSiteOnly) {
  for (const auto& c : {
           RealmCase{"https://registry-1.docker.io", "https://auth.docker.io/token", true, true},
           RealmCase{"https://registry.gitlab.com", "https://gitlab.com/jwt/auth", true, true},
           RealmCase{"https://quay.io", "https://quay.io/v2/auth", true, true},
           RealmCase{"https://registry.example", "https://evil.test/token", true, false},
           RealmCase{"https://one.co.uk", "https://two.co.uk/token", true, false},
           RealmCase{"https://registry.one.co.uk", "https://auth.one.co.uk/token", true, true},
           RealmCase{"https://registry.example", "http://registry.example/token", true, false},
           RealmCase{"https://registry-1.docker.io", "https://auth.docker.io/token", false, false},
           RealmCase{"http://127.0.0.1:5000", "http://127.0.0.1:5001/token", true, true},
           RealmCase{"http://127.0.0.1:5000", "http://127.0.0.2:5001/token", true, false},
           RealmCase{"http://registry.example", "https://auth.registry.example/t", true, false},
           RealmCase{"https://10.0.0.1", "https://11.0.0.1/token", true, false},
           RealmCase{"https://registry", "https://auth/token", true, false},
       }) {
    EXPECT_EQ(may_know_credentials(http::Url::parse(c.realm), http::Url::parse(c.registry), c.verified), c.told)
        << c.registry << " " << c.realm << " " << c.verified;
  }
}

TEST(Retry, ReadsBothKindsOfRetryAfter) {
  http::Response response;
  response.headers = {{"Retry-After", "120"}};
  EXPECT_EQ(retry_after(response), std::chrono::seconds(120));
  response.headers = {{"Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"}};
  EXPECT_EQ(retry_after(response), std::chrono::seconds(0));
  response.headers = {{"Retry-After", "Wed, 21 Oct 2099 07:28:00 GMT"}};
  EXPECT_GT(retry_after(response), std::chrono::hours(1000));
  // By the server's clock, when it tells the time.
  response.headers = {{"Retry-After", "Wed, 21 Oct 2099 07:28:09 GMT"}, {"Date", "Wed, 21 Oct 2099 07:28:00 GMT"}};
  EXPECT_EQ(retry_after(response), std::chrono::seconds(9));
  response.headers = {{"Retry-After", "soon"}};
  EXPECT_EQ(retry_after(response), std::nullopt);
}

TEST(Retry, EndsByCountAndByTime) {
  const RetryPolicy policy{
      .attempts = 3, .first_delay = std::chrono::milliseconds(2), .longest_wait = std::chrono::milliseconds(100)};
  Tries counted(policy, {});
  EXPECT_TRUE(counted.again());
  EXPECT_TRUE(counted.again());
  EXPECT_FALSE(counted.again());
  Tries timed(policy, {});
  const auto before = std::chrono::steady_clock::now();
  EXPECT_TRUE(timed.again(std::chrono::milliseconds(50)));
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(50));
  // Sent away for an hour: once more when the patience ends, and then no more.
  EXPECT_TRUE(timed.again(std::chrono::hours(1)));
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(100));
  EXPECT_FALSE(timed.again());
}

TEST(Retry, WaitingIsStopped) {
  std::stop_source stop;
  stop.request_stop();
  Tries tries(RetryPolicy{.attempts = 3, .first_delay = std::chrono::seconds(60)}, stop.get_token());
  EXPECT_THROW(tries.again(), Error);
}

}  // namespace
}  // namespace proa::registry
