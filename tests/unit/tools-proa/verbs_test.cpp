#include "tools/proa/verbs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libcommon/base/error.h"

namespace proa::front {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::optional<Route> routed(const std::vector<std::string>& words) {
  const GlobalFlags flags = take_global_flags(words);
  return route(flags, {words.begin() + static_cast<std::ptrdiff_t>(flags.verb), words.end()});
}

TEST(Route, VerbGoesToItsOwnerWithAllWords) {
  auto target = routed({"run", "--rm", "image", "build"});
  ASSERT_TRUE(target);
  EXPECT_EQ(target->tool, "proa-run");
  EXPECT_THAT(target->arguments, ElementsAre("run", "--rm", "image", "build"));
}

TEST(Route, GlobalFlagsStayInFrontOfTheVerb) {
  auto target = routed({"--log-level", "debug", "--root=/x", "-lerror", "--override-arch", "arm64", "pull", "a"});
  ASSERT_TRUE(target);
  EXPECT_EQ(target->tool, "proa-copy");
  EXPECT_THAT(target->arguments, ElementsAre("--log-level", "debug", "--root", "/x", "-l", "error", "--override-arch",
                                             "arm64", "pull", "a"));
}

TEST(Route, WhatSpeaksOfAnEngineHereIsDropped) {
  auto target = routed({"--cgroup-manager", "cgroupfs", "--storage-driver=vfs", "-H", "unix:///var/run/docker.sock",
                        "-c", "default", "--tlsverify", "--syslog", "ps", "-a"});
  ASSERT_TRUE(target);
  EXPECT_THAT(target->arguments, ElementsAre("ps", "-a"));
}

TEST(Route, TheRuntimeIsOfVerbsThatMakeContainers) {
  EXPECT_THAT(routed({"--runtime", "crun", "run", "x"})->arguments, ElementsAre("run", "--runtime", "crun", "x"));
  EXPECT_THAT(routed({"--runtime=crun", "ps"})->arguments, ElementsAre("ps"));
}

TEST(Route, WhatWouldChangeTheOutcomeIsRefused) {
  const std::vector<std::vector<std::string>> refused = {
      {"-H", "tcp://192.0.2.1:2375", "ps"}, {"-Htcp://192.0.2.1", "ps"}, {"--context=far", "ps"}, {"--remote", "ps"},
      {"--hooks-dir", "/x", "run", "y"},    {"--connection", "c", "ps"}, {"--url=ssh://h", "ps"}};
  for (const auto& words : refused) {
    try {
      routed(words);
      ADD_FAILURE() << words[0] << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::Unsupported);
      EXPECT_THAT(error.message(), HasSubstr("not supported"));
    }
  }
  EXPECT_THROW(routed({"--root"}), Error);
  EXPECT_THROW(routed({"--nope", "ps"}), Error);
}

TEST(Route, DockerGroupsReachTheToolThatOwnsTheVerbInside) {
  auto built = routed({"-D", "image", "build", "-t", "x", "."});
  ASSERT_TRUE(built);
  EXPECT_EQ(built->tool, "proa-build");
  EXPECT_THAT(built->arguments, ElementsAre("-D", "build", "-t", "x", "."));
  EXPECT_EQ(routed({"buildx", "build", "."})->tool, "proa-build");
  EXPECT_EQ(routed({"image", "ls"})->tool, "proa-copy");
}

TEST(Route, UnknownVerbsAndNoVerbHaveNoOwner) {
  EXPECT_FALSE(routed({"rnu"}));
  EXPECT_FALSE(routed({"--help"}));
  EXPECT_FALSE(routed({}));
  EXPECT_STREQ(absence("rnu"), nullptr);
  EXPECT_STRNE(absence("swarm"), nullptr);
}

}  // namespace
}  // namespace proa::front
