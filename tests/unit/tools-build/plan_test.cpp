#include "tools/build/graph/plan.h"
#include "libcommon/base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libcommon/base/error.h"
#include "tests/support/vectors.h"
#include "tools/build/graph/scope.h"

namespace proa::build {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

PlanOptions options(std::string target = "", Variables args = {}) {
  oci::Platform host = oci::Platform::parse("linux/amd64");
  return {std::move(target), std::move(args), host, host};
}

std::vector<std::size_t> order(const Plan& plan) {
  std::vector<std::size_t> result;
  for (const PlannedStage& stage : plan.stages) result.push_back(stage.index);
  return result;
}

std::string refusal(const std::string& text, const PlanOptions& with = options()) {
  try {
    plan_build(parse_containerfile(text), with);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Vectors, DockerfileSemantic) {
  test::check_vectors("dockerfile-semantic", [](const nlohmann::json& in) {
    Containerfile file = parse_containerfile(in["dockerfile"].get<std::string>());
    plan_build(file, options(in.value("target", "")));
    return nlohmann::json("accepted");
  });
}

TEST(Plan, StagesThatTheTargetDoesNotNeedAreLeftOut) {
  Containerfile file = parse_containerfile(
      "FROM a AS one\nFROM b AS two\nFROM scratch AS three\nCOPY --from=one /x /\nRUN --mount=from=img,target=/i true\n"
      "FROM two\nCOPY x /\n");
  EXPECT_THAT(order(plan_build(file, options())), ElementsAre(1, 3));
  EXPECT_THAT(order(plan_build(file, options("three"))), ElementsAre(0, 2));
  EXPECT_THAT(order(plan_build(file, options("1"))), ElementsAre(1));
}

TEST(Plan, StagesComeAfterWhatTheyNeedAlsoWhenItIsWrittenLater) {
  Containerfile file = parse_containerfile("FROM a AS first\nCOPY --from=late /x /\nFROM b AS late\nFROM first\n");
  EXPECT_THAT(order(plan_build(file, options())), ElementsAre(1, 0, 2));
}

TEST(Plan, CirclesAndUnknownStagesAreRefused) {
  EXPECT_THAT(refusal("FROM a AS x\nCOPY --from=y /f /\nFROM b AS y\nCOPY --from=x /f /\n"),
              HasSubstr("circular dependency"));
  EXPECT_THAT(refusal("FROM a AS x\nRUN --mount=from=x,target=/x true\n"), HasSubstr("circular dependency"));
  EXPECT_THAT(refusal("FROM a\nCOPY --from=1 /f /\nFROM b\n", options("0")), HasSubstr("invalid from flag value 1"));
  EXPECT_THAT(refusal("FROM a AS build\n", options("biuld")), HasSubstr("could not be found"));
  EXPECT_THAT(refusal("ARG E\nFROM $E\n"), HasSubstr("should not be blank"));
}

TEST(Plan, ThousandsOfStagesNeedNoStack) {
  std::string text = "FROM scratch AS s0\n";
  for (int i = 1; i < 20000; ++i) text += "FROM s" + std::to_string(i - 1) + " AS s" + std::to_string(i) + "\n";
  EXPECT_EQ(plan_build(parse_containerfile(text), options()).stages.size(), 20000u);
}

TEST(Plan, GlobalArgsExpandInFrom) {
  Containerfile file = parse_containerfile("ARG V=1\nARG B=img:$V\nFROM $B AS x\nFROM --platform=$BUILDPLATFORM x\n");
  EXPECT_EQ(plan_build(file, options("x")).stages[0].base.image, "img:1");
  EXPECT_EQ(plan_build(file, options("x", {{"V", "2"}})).stages[0].base.image, "img:2");
  EXPECT_EQ(plan_build(file, options()).stages[1].platform, "linux/amd64");
}

TEST(Scope, EnvironmentWinsOverArguments) {
  BuildArgs given(Variables{{"A", "given"}, {"HTTP_PROXY", "p"}, {"UNUSED", "u"}});
  Variables global{{"G", "global"}}, platform{{"TARGETARCH", "amd64"}};
  Scope scope(given, global, platform, '\\');
  EXPECT_EQ(scope.expand_word("[$A$G$TARGETARCH]", {}), "[]");
  scope.declare({{{"A", "default", ""}, {"G", std::nullopt, ""}, {"TARGETARCH", std::nullopt, ""}, {"D", "$A-d", ""}}},
                {});
  EXPECT_EQ(scope.expand_word("$A $G $TARGETARCH $D", {}), "given global amd64 given-d");
  EXPECT_EQ(scope.expand_word("$A", {"A=env"}), "env");
  EXPECT_THAT(given.unused(), ElementsAre("UNUSED"));
  EXPECT_THAT(scope.proxies(), ElementsAre("HTTP_PROXY=p"));
  EXPECT_EQ(scope.expand_content("\"$A\" '$A' \\$A", {}), "\"given\" 'given' $A");
}

}  // namespace
}  // namespace proa::build
