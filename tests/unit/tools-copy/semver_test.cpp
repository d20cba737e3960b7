#include "tools/copy/sync/semver.h"

#include <gtest/gtest.h>

#include "libcommon/base/error.h"

namespace proa::copy {
namespace {

bool fits(const char* range, const char* version) {
  const auto parsed = Version::parse(version);
  return parsed && VersionRange::parse(range).contains(*parsed);
}

TEST(Semver, OrdersByPrecedence) {
  const char* ordered[] = {"1.0.0-alpha",
                           "1.0.0-alpha.1",
                           "1.0.0-alpha.beta",
                           "1.0.0-beta.2",
                           "1.0.0-beta.11",
                           "1.0.0-rc.1",
                           "1.0.0",
                           "1.0.1",
                           "1.2.0",
                           "2"};
  for (std::size_t i = 0; i + 1 < std::size(ordered); ++i)
    EXPECT_LT(compare(*Version::parse(ordered[i]), *Version::parse(ordered[i + 1])), 0) << ordered[i];
  EXPECT_EQ(compare(*Version::parse("v1.2"), *Version::parse("1.2.0+build")), 0);
  for (const char* text : {"latest", "", "1.2.3.4", "1..2", "1.2-", "1.x", "-1"})
    EXPECT_FALSE(Version::parse(text)) << text;
}

TEST(Semver, Ranges) {
  EXPECT_TRUE(fits(">= 3.12.0", "3.12.0"));
  EXPECT_TRUE(fits(">=3.12, <4", "3.19"));
  EXPECT_FALSE(fits(">=3.12 <4", "4.0.0"));
  EXPECT_TRUE(fits("^1.2.3", "1.9.0"));
  EXPECT_FALSE(fits("^1.2.3", "2.0.0"));
  EXPECT_TRUE(fits("^0.2.3", "0.2.9"));
  EXPECT_FALSE(fits("^0.2.3", "0.3.0"));
  EXPECT_TRUE(fits("~1.2.3", "1.2.9"));
  EXPECT_FALSE(fits("~1.2", "1.3.0"));
  EXPECT_TRUE(fits("~1", "1.9.9"));
  EXPECT_TRUE(fits("1.2.x", "1.2.7"));
  EXPECT_TRUE(fits("*", "7.0.0"));
  EXPECT_TRUE(fits("1.2 - 1.4.5", "1.4.5"));
  EXPECT_FALSE(fits("1.2 - 1.4.5", "1.4.6"));
  EXPECT_TRUE(fits("1.2 - 1.4", "1.4.6"));
  EXPECT_TRUE(fits("< 1 || >= 2.1", "2.1.0"));
  EXPECT_FALSE(fits("!= 1.2.3", "1.2.3"));
  EXPECT_TRUE(fits("> 1.2", "1.3.0"));
  EXPECT_FALSE(fits("> 1.2", "1.2.9"));
  EXPECT_TRUE(fits("<= 1.2", "1.2.9"));
}

TEST(Semver, PreReleasesOnlyWhereNamed) {
  EXPECT_FALSE(fits(">= 1.0.0", "1.1.0-rc.1"));
  EXPECT_TRUE(fits(">= 1.1.0-rc.0", "1.1.0-rc.1"));
}

TEST(Semver, RefusesMalformedRanges) {
  for (const char* text : {"", ">=", "a.b", ">> 1", "1 ||", "!= 1.x", ">= <1"})
    EXPECT_THROW(VersionRange::parse(text), Error) << text;
}

}  // namespace
}  // namespace proa::copy
