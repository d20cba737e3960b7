#include "tools/copy/global_flags.h"

#include <gtest/gtest.h>

namespace proa::copy {
namespace {

using Words = std::vector<std::string>;

TEST(GlobalFlags, MoveBehindTheVerb) {
  EXPECT_EQ(
      place_global_flags({"--override-arch", "arm64", "--insecure-policy", "--override-os=linux", "copy", "a", "b"}),
      (Words{"copy", "--insecure-policy", "--override-arch=arm64", "--override-os=linux", "a", "b"}));
  EXPECT_EQ(place_global_flags({"--override-arch", "arm64", "list-tags", "x"}), (Words{"list-tags", "x"}));
  EXPECT_EQ(place_global_flags({"--log-level", "debug", "--debug", "inspect", "--raw", "x"}),
            (Words{"--log-level", "debug", "--debug", "inspect", "--raw", "x"}));
  EXPECT_EQ(place_global_flags({"images", "--insecure-policy"}), (Words{"images", "--insecure-policy"}));
  EXPECT_EQ(place_global_flags({"--policy", "p.json", "--registries.d=d", "sync", "a"}),
            (Words{"sync", "--policy=p.json", "--registries.d=d", "a"}));
  EXPECT_EQ(place_global_flags({"--policy", "p.json", "--insecure-policy", "inspect", "a"}), (Words{"inspect", "a"}));
  EXPECT_EQ(place_global_flags({}), Words{});
}

TEST(GlobalFlags, TellWhoseExitCodesCount) {
  EXPECT_TRUE(is_skopeo_verb({"--override-os", "linux", "copy", "a", "b"}));
  EXPECT_TRUE(is_skopeo_verb({"sync"}));
  EXPECT_FALSE(is_skopeo_verb({"--root", "copy", "images"}));
  EXPECT_FALSE(is_skopeo_verb({"pull", "copy"}));
  EXPECT_FALSE(is_skopeo_verb({}));
}

}  // namespace
}  // namespace proa::copy
