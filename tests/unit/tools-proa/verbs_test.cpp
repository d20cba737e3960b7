#include "tools/proa/verbs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proa::front {
namespace {

using testing::ElementsAre;

TEST(Route, VerbGoesToItsOwnerWithAllWords) {
  auto target = route({"run", "--rm", "image", "build"});
  ASSERT_TRUE(target);
  EXPECT_EQ(target->tool, "proa-run");
  EXPECT_THAT(target->arguments, ElementsAre("run", "--rm", "image", "build"));
}

TEST(Route, GlobalFlagsStayInFrontOfTheVerb) {
  auto target = route({"--log-level", "debug", "--root=/x", "pull", "a"});
  ASSERT_TRUE(target);
  EXPECT_EQ(target->tool, "proa-copy");
  EXPECT_THAT(target->arguments, ElementsAre("--log-level", "debug", "--root=/x", "pull", "a"));
}

TEST(Route, DockerGroupsReachTheToolThatOwnsTheVerbInside) {
  auto built = route({"-D", "image", "build", "-t", "x", "."});
  ASSERT_TRUE(built);
  EXPECT_EQ(built->tool, "proa-build");
  EXPECT_THAT(built->arguments, ElementsAre("-D", "build", "-t", "x", "."));
  EXPECT_EQ(route({"buildx", "build", "."})->tool, "proa-build");
  EXPECT_EQ(route({"image", "ls"})->tool, "proa-copy");
}

TEST(Route, UnknownVerbsAndNoVerbHaveNoOwner) {
  EXPECT_FALSE(route({"rnu"}));
  EXPECT_FALSE(route({"--help"}));
  EXPECT_FALSE(route({}));
  EXPECT_FALSE(route({"--root"}));
}

}  // namespace
}  // namespace proa::front
