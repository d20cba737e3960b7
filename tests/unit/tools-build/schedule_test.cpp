#include "tools/build/graph/schedule.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "libcommon/base/error.h"

namespace proa::build {
namespace {

using namespace std::chrono_literals;

struct Shared {
  Baton baton;
  std::atomic<int> running = 0, most = 0, done = 0;
};

// A stage with so many steps that each take a while outside of the baton.
class FakeStage final : public Runnable {
 public:
  FakeStage(Shared& shared, int steps, std::optional<std::size_t> needs = {}, bool fails = false)
      : shared_(shared), steps_(steps), needs_(needs), fails_(fails) {}
  Next advance() override {
    if (needs_ && !waited_) {
      waited_ = true;
      return Next::Wait;
    }
    return steps_ > 0 ? Next::Work : Next::Finished;
  }
  void work() override {
    {
      Baton::Pause pause(shared_.baton);
      int now = ++shared_.running;
      shared_.most = std::max(shared_.most.load(), now);
      std::this_thread::sleep_for(20ms);
      --shared_.running;
    }
    if (fails_) throw Error(ErrorCode::Unavailable, "this one fails");
    --steps_;
    ++shared_.done;
  }
  std::size_t waits_for() const override { return *needs_; }

 private:
  Shared& shared_;
  int steps_;
  std::optional<std::size_t> needs_;
  bool fails_, waited_ = false;
};

TEST(Schedule, IndependentStagesRunSideBySide) {
  Shared shared;
  Schedule schedule(shared.baton, 4);
  for (std::size_t i = 0; i < 3; ++i) schedule.add(i, std::make_unique<FakeStage>(shared, 5));
  EXPECT_FALSE(schedule.look());
  schedule.run();
  EXPECT_EQ(shared.done, 15);
  EXPECT_GE(shared.most, 2);
}

TEST(Schedule, NoMoreThanJobsAtOnce) {
  Shared shared;
  Schedule schedule(shared.baton, 1);
  for (std::size_t i = 0; i < 3; ++i) schedule.add(i, std::make_unique<FakeStage>(shared, 2));
  schedule.run();
  EXPECT_EQ(shared.done, 6);
  EXPECT_EQ(shared.most, 1);
}

TEST(Schedule, AStageWaitsForWhatItNeeds) {
  Shared shared;
  Schedule schedule(shared.baton, 4);
  schedule.add(0, std::make_unique<FakeStage>(shared, 1, 1));
  schedule.add(1, std::make_unique<FakeStage>(shared, 1));
  EXPECT_FALSE(schedule.look());
  schedule.run();
  EXPECT_EQ(shared.done, 2);
  EXPECT_EQ(shared.most, 1);
}

TEST(Schedule, LookingIsEnoughWhereNothingHasToBeMade) {
  Shared shared;
  Schedule schedule(shared.baton, 4);
  schedule.add(0, std::make_unique<FakeStage>(shared, 0, 1));
  schedule.add(1, std::make_unique<FakeStage>(shared, 0));
  EXPECT_TRUE(schedule.look());
}

TEST(Schedule, TheFirstFailureEndsTheOthers) {
  Shared shared;
  Schedule schedule(shared.baton, 4);
  schedule.add(0, std::make_unique<FakeStage>(shared, 1, std::nullopt, true));
  schedule.add(1, std::make_unique<FakeStage>(shared, 1000));
  EXPECT_THROW(schedule.run(), Error);
  EXPECT_LT(shared.done, 10);
  EXPECT_TRUE(shared.baton.cancelled());
}

}  // namespace
}  // namespace proa::build
