#include "libcommon/runtime/external.h"

#include <gtest/gtest.h>

namespace proa::runtime {
namespace {

// What crun 1.8, runc 1.1 and our own runtime say.
TEST(External, WordsOfRuntimesGiveTheExitCode) {
  EXPECT_EQ(failure_exit_code("executable file `nosuch` not found in $PATH: No such file or directory"), 127);
  EXPECT_EQ(failure_exit_code("runc create failed: unable to start container process: exec: \"nosuch\": executable "
                              "file not found in $PATH"),
            127);
  EXPECT_EQ(failure_exit_code("container init: exec: /no/such: No such file or directory"), 127);
  EXPECT_EQ(failure_exit_code("runc create failed: unable to start container process: exec: \"/etc\": is a directory"),
            126);
  EXPECT_EQ(failure_exit_code("open executable: Permission denied"), 126);
  EXPECT_EQ(failure_exit_code("open executable: Operation not permitted"), 126);
  EXPECT_EQ(failure_exit_code("mount `proc` to `proc`: Operation not permitted"), 125);
  EXPECT_EQ(failure_exit_code(""), 125);
}

}  // namespace
}  // namespace proa::runtime
