#include <gtest/gtest.h>

#include "tools/run/engine/healthcheck.h"
#include "tools/run/engine/secrets.h"
#include "tools/run/engine/usage.h"

namespace proa::engine {
namespace {

HealthPlan plan_with(int retries) {
  HealthPlan plan;
  plan.check = {{"CMD-SHELL", "true"}, 1'000'000'000, 1'000'000'000, 0, 0, retries, 0};
  return plan;
}

HealthState::Entry result(int code) { return {"", "", "", code}; }

TEST(HealthState, IsUnhealthyAfterSoManyFailuresInARow) {
  const auto plan = plan_with(2);
  auto state = after_check(plan, {}, result(1), Time{}, Time{});
  EXPECT_EQ(state.status, "starting");
  state = after_check(plan, state, result(1), Time{}, Time{});
  EXPECT_EQ(state.status, "unhealthy");
  state = after_check(plan, state, result(0), Time{}, Time{});
  EXPECT_EQ(state.status, "healthy");
  EXPECT_EQ(state.failing_streak, 0);
}

TEST(HealthState, FailuresWhileItStartsDoNotCount) {
  auto plan = plan_with(1);
  plan.check.start_period = 10'000'000'000;
  const auto state = after_check(plan, {}, result(1), Time{}, Time{} + std::chrono::seconds(5));
  EXPECT_EQ(state.status, "starting");
  EXPECT_EQ(after_check(plan, state, result(1), Time{}, Time{} + std::chrono::seconds(11)).status, "unhealthy");
}

TEST(HealthState, TheStartUpCheckComesFirst) {
  auto plan = plan_with(1);
  plan.startup = plan.check;
  plan.startup.successes = 2;
  HealthState state;
  state.started_up = false;
  state = after_check(plan, state, result(0), Time{}, Time{});
  EXPECT_FALSE(state.started_up);
  state = after_check(plan, state, result(0), Time{}, Time{});
  EXPECT_TRUE(state.started_up);
  EXPECT_EQ(state.status, "starting");
}

TEST(HealthState, KeepsTheLastResults) {
  auto plan = plan_with(1);
  plan.max_log_count = 2;
  HealthState state;
  for (int code = 0; code < 5; ++code) state = after_check(plan, state, result(code), Time{}, Time{});
  ASSERT_EQ(state.log.size(), 2U);
  EXPECT_EQ(state.log.back().exit_code, 4);
  EXPECT_EQ(HealthState::parse(state.encode()).log.front().exit_code, 3);
}

TEST(Usage, ReadsFilesOfTheKernel) {
  EXPECT_EQ(value_in("usage_usec 12\nuser_usec 5\n", "user_usec"), 5U);
  EXPECT_EQ(network_bytes(" lo: 7 0 0 0 0 0 0 0 7 0\n tap0: 100 1 0 0 0 0 0 0 200 2\n"), (std::pair{100UL, 200UL}));
  EXPECT_EQ(block_bytes("8:0 rbytes=1 wbytes=2 rios=9\n8:16 rbytes=3 wbytes=4\n"), (std::pair{4UL, 6UL}));
}

TEST(SecretOption, IsRead) {
  const auto note = parse_secret_option("tok,target=/a/../t,mode=0400,uid=3");
  EXPECT_EQ(note.name, "tok");
  EXPECT_EQ(note.target, "/t");
  EXPECT_EQ(note.mode, 0400U);
  EXPECT_EQ(parse_secret_option("tok").target, "/run/secrets/tok");
  EXPECT_TRUE(parse_secret_option("tok,type=env").variable);
  EXPECT_ANY_THROW(parse_secret_option("type=env"));
  EXPECT_ANY_THROW(parse_secret_option("tok,mode=9"));
}

}  // namespace
}  // namespace proa::engine
