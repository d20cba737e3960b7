#include "libcommon/os/event_loop.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include "libcommon/base/error.h"

namespace proa::os {
namespace {

using std::chrono::milliseconds;

TEST(EventLoop, RunsTimersInOrderOfTheirTimes) {
  EventLoop loop;
  std::string order;
  loop.after(milliseconds(20), [&] {
    order += "b";
    loop.stop();
  });
  loop.after(milliseconds(1), [&] { order += "a"; });
  const auto cancelled = loop.after(milliseconds(5), [&] { order += "x"; });
  loop.cancel(cancelled);
  loop.run();
  EXPECT_EQ(order, "ab");
}

TEST(EventLoop, AHandlerMayRemoveItselfAndOthers) {
  EventLoop loop;
  UniqueFd first(::eventfd(1, EFD_CLOEXEC)), second(::eventfd(1, EFD_CLOEXEC));
  int calls = 0;
  const auto handler = [&](std::uint32_t) {
    ++calls;
    loop.remove(first.get());
    loop.remove(second.get());
  };
  loop.add(first.get(), EPOLLIN, handler);
  loop.add(second.get(), EPOLLIN, handler);
  EXPECT_TRUE(loop.run_once(milliseconds(0)));
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(loop.run_once(milliseconds(0)));
}

TEST(EventLoop, ADescriptorNumberUsedAgainDoesNotReachTheOldHandler) {
  EventLoop loop;
  UniqueFd first(::eventfd(1, EFD_CLOEXEC));
  int old_calls = 0, new_calls = 0;
  loop.add(first.get(), EPOLLIN, [&](std::uint32_t) { ++old_calls; });
  loop.remove(first.get());
  first.reset();
  UniqueFd second(::eventfd(1, EFD_CLOEXEC));
  loop.add(second.get(), EPOLLIN, [&](std::uint32_t) { ++new_calls; });
  loop.run_once(milliseconds(0));
  EXPECT_EQ(old_calls, 0);
  EXPECT_EQ(new_calls, 1);
}

TEST(SignalFd, TakesSignalsAndRestoresTheMask) {
  {
    SignalFd signals{SIGUSR1};
    ::raise(SIGUSR1);
    const auto seen = signals.read();
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].ssi_signo, static_cast<std::uint32_t>(SIGUSR1));
  }
  sigset_t mask;
  ::sigprocmask(SIG_BLOCK, nullptr, &mask);
  EXPECT_EQ(sigismember(&mask, SIGUSR1), 0);
}

}  // namespace
}  // namespace proa::os
