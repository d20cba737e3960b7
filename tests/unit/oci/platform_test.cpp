#include "libcommon/oci/platform.h"

#include <gtest/gtest.h>

#include "libcommon/base/error.h"

namespace proa::oci {
namespace {

TEST(Platform, IsNormalised) {
  EXPECT_EQ(Platform::parse("x86_64").str(), "linux/amd64");
  EXPECT_EQ(Platform::parse("linux/aarch64/v8").str(), "linux/arm64");
  EXPECT_EQ(Platform::parse("linux/armhf").str(), "linux/arm/v7");
  EXPECT_EQ(Platform{}.str(), "unknown");
  EXPECT_EQ(Platform::parse("linux(+b+a+b)/amd64").str(), "linux(+a+b)/amd64");
}

TEST(Platform, HostIsKnown) {
  Platform host = Platform::host();
  EXPECT_EQ(host.os, "linux");
  EXPECT_EQ(Platform::parse(host.str()), host);
  EXPECT_EQ(Platform::parse("linux").architecture, host.architecture);
}

TEST(Platform, RefusesWhatIsNone) {
  for (const char* text :
       {"", "/", "linux/", "linux//v8", "a/b/c/d", "*/amd64", "nosuch", "li nux/amd64", "linux(/amd64",
        "linux()x/amd64", "linux(%2)/amd64", "linux(%zz)/amd64", "linux(a+)/amd64", "linux/am\nd64"}) {
    EXPECT_THROW(Platform::parse(text), Error) << text;
  }
}

int rank(const char* wanted, const char* offered) {
  return match_rank(Platform::parse(wanted), Platform::parse(offered)).value_or(-1);
}

TEST(Platform, MatchesWhatRuns) {
  EXPECT_EQ(rank("linux/amd64", "linux/amd64"), 0);
  EXPECT_EQ(rank("linux/amd64/v3", "linux/amd64"), 2);
  EXPECT_EQ(rank("linux/amd64", "linux/386"), 1);
  EXPECT_EQ(rank("linux/arm/v7", "linux/arm/v6"), 1);
  EXPECT_EQ(rank("linux/arm64", "linux/arm64/v8"), 0);
  EXPECT_LT(rank("linux/arm64/v9.1", "linux/arm64/v8.5"), rank("linux/arm64/v9.1", "linux/arm64"));
  EXPECT_GT(rank("linux/arm64", "linux/arm/v7"), 0);
}

TEST(Platform, DoesNotMatchWhatDoesNotRun) {
  EXPECT_EQ(rank("linux/amd64", "linux/amd64/v2"), -1);
  EXPECT_EQ(rank("linux/386", "linux/amd64"), -1);
  EXPECT_EQ(rank("linux/arm/v6", "linux/arm/v7"), -1);
  EXPECT_EQ(rank("linux/arm64", "linux/arm64/v9"), -1);
  EXPECT_EQ(rank("linux/amd64", "windows/amd64"), -1);
  EXPECT_EQ(rank("linux/amd64", "linux(+gpu)/amd64"), -1);
  EXPECT_FALSE(match_rank(Platform::parse("linux/amd64"), Platform{}));
  EXPECT_FALSE(match_rank(Platform::parse("linux/amd64"), Platform{.os = "unknown", .architecture = "unknown"}));
}

}  // namespace
}  // namespace proa::oci
