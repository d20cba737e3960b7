#include "libcommon/http/url.h"

#include <gtest/gtest.h>

#include "libcommon/base/error.h"

namespace proa::http {
namespace {

TEST(Url, IsTakenApart) {
  const auto url = Url::parse("HTTPS://Registry.Example:8443/v2/?n=1#part");
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.host, "registry.example");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.target, "/v2/?n=1");
  EXPECT_EQ(url.str(), "https://registry.example:8443/v2/?n=1");
  EXPECT_EQ(Url::parse("http://[::1]:5000/x").host, "[::1]");
  EXPECT_EQ(Url::parse("http://host?x").target, "/?x");
}

TEST(Url, RefusesWhatCouldBeReadInTwoWays) {
  for (const char* text : {"ftp://host/", "file:///etc/passwd", "http://user:pw@host/", "http://host:0/",
                           "http://host:65536/", "http://ho st/", "http://host/a\r\nX: y", "http:///path",
                           "http://host\\@other/", "//host/", "http://[::1/", ""}) {
    EXPECT_FALSE(Url::try_parse(text)) << text;
  }
}

TEST(Url, ShowsNoQueryBecauseSignedAddressesCarrySecretsThere) {
  EXPECT_EQ(Url::parse("https://cdn.example/blob?X-Signature=abc").display(), "https://cdn.example/blob");
  try {
    Url::parse("nonsense?token=secret");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.text().find("secret"), std::string::npos);
  }
}

TEST(Url, ResolvesLocations) {
  const auto base = Url::parse("https://host:5000/v2/app/blobs/uploads/?x=1");
  EXPECT_EQ(base.resolve("/v2/up?s=1")->str(), "https://host:5000/v2/up?s=1");
  EXPECT_EQ(base.resolve("abc")->str(), "https://host:5000/v2/app/blobs/uploads/abc");
  EXPECT_EQ(base.resolve("?n=2")->str(), "https://host:5000/v2/app/blobs/uploads/?n=2");
  EXPECT_EQ(base.resolve("//other/x")->str(), "https://other/x");
  EXPECT_EQ(base.resolve("http://other:80/x")->str(), "http://other/x");
  EXPECT_FALSE(base.resolve("file:///etc/passwd"));
  EXPECT_FALSE(base.resolve(""));
}

TEST(Url, OriginIsSchemeHostAndPort) {
  const auto one = Url::parse("https://host/a");
  EXPECT_TRUE(one.same_origin(Url::parse("https://HOST:443/b")));
  EXPECT_FALSE(one.same_origin(Url::parse("http://host/a")));
  EXPECT_FALSE(one.same_origin(Url::parse("https://host:444/a")));
  EXPECT_FALSE(one.same_origin(Url::parse("https://host.other/a")));
}

TEST(Url, KnowsLoopbackHosts) {
  for (const char* host :
       {"localhost", "localhost:5000", "LOCALHOST", "a.localhost", "127.0.0.1", "127.9.8.7:80", "[::1]:5000"}) {
    EXPECT_TRUE(is_loopback_host(host)) << host;
  }
  for (const char* host :
       {"127.0.0.1.example", "127.evil.example", "localhost.example", "10.0.0.1", "127.0.0", "127.0.0.256"}) {
    EXPECT_FALSE(is_loopback_host(host)) << host;
  }
}

TEST(Url, AddsToQueries) {
  EXPECT_EQ(with_query("/u", "digest", "sha256:ab"), "/u?digest=sha256%3Aab");
  EXPECT_EQ(with_query("/u?_state=x", "digest", "a b"), "/u?_state=x&digest=a%20b");
}

}  // namespace
}  // namespace proa::http
