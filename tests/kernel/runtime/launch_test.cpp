// What a container sees and what it cannot do.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/kernel/runtime/container.h"

namespace proa::test {
namespace {

TEST(Launch, RunsACommandAndReportsItsStatus) {
  Box box;
  auto result = box.sh("echo hello; exit 7");
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.out, "hello\n");
  EXPECT_EQ(result.code, 7);
}

}  // namespace
}  // namespace proa::test
