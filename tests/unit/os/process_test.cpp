#include "libcommon/os/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/os/lock.h"

namespace proa::os {
namespace {

SpawnPlan shell(const std::string& script) {
  SpawnPlan plan;
  plan.program = "sh";
  plan.arguments = {"-c", script};
  return plan;
}

TEST(Process, RunCollectsOutputAndStatus) {
  Output output = run(shell("cat; echo err >&2; exit 3"), "hello");
  EXPECT_EQ(output.out, "hello");
  EXPECT_EQ(output.err, "err\n");
  EXPECT_EQ(output.status.exit_code(), 3);
  EXPECT_EQ(output.status.text(), "exited with 3");
}

TEST(Process, LargeInputAndOutputDoNotBlockEachOther) {
  std::string big(900000, 'x');
  EXPECT_EQ(run(shell("cat"), big).out.size(), big.size());
  EXPECT_EQ(run(shell("exec true"), big).status.exit_code(), 0);
}

TEST(Process, OutputHasACeiling) { EXPECT_THROW(run(shell("yes"), {}, 10000), Error); }

TEST(Process, DeathBySignalIsTold) {
  WaitStatus status = spawn(shell("kill -9 $$")).wait();
  EXPECT_EQ(status.signal(), SIGKILL);
  EXPECT_EQ(status.to_exit_code(), 137);
  EXPECT_EQ(status.text(), "killed by SIGKILL");
}

TEST(Process, MissingProgramIsNotFound) {
  SpawnPlan plan;
  plan.program = "no-such-program-here";
  try {
    spawn(plan);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::NotFound);
  }
}

// rule-4 in docs/security.md: a descriptor that is not listed does not reach the program, even without FD_CLOEXEC.
TEST(Process, OnlyListedDescriptorsAreInherited) {
  int leaked = ::dup(2);
  UniqueFd given(::dup(2));
  SpawnPlan plan = shell("ls /proc/self/fd");
  plan.descriptors = {{given.get(), 7}};
  Output output = run(plan);
  ::close(leaked);
  // 3 is the directory that ls reads.
  EXPECT_EQ(output.out, "0\n1\n2\n3\n7\n");
}

TEST(Process, DescriptorsMaySwapNumbers) {
  int a[2], b[2];
  ASSERT_EQ(::pipe(a), 0);
  ASSERT_EQ(::pipe(b), 0);
  SpawnPlan plan = shell("echo first >&" + std::to_string(b[1]) + "; echo second >&" + std::to_string(a[1]));
  ASSERT_LT(b[1], 10);  // dash knows one digit only
  plan.descriptors = {{a[1], b[1]}, {b[1], a[1]}};
  EXPECT_TRUE(spawn(plan).wait().success());
  char text[16] = {};
  ASSERT_EQ(::read(a[0], text, sizeof text), 6);
  EXPECT_STREQ(text, "first\n");
  for (int fd : {a[0], a[1], b[0], b[1]}) ::close(fd);
}

TEST(Process, WaitForTimesOutAndDestructorReaps) {
  pid_t pid = 0;
  {
    Child child = spawn(shell("exec sleep 100"));
    pid = child.pid();
    EXPECT_FALSE(child.wait_for(std::chrono::milliseconds(20)));
    EXPECT_TRUE(process_start_time(pid));
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(FileLock, SecondHolderIsRefusedUntilTheFirstLetsGo) {
  std::string path = "/tmp/proa-lock-test-" + std::to_string(::getpid());
  {
    auto lock = FileLock::acquire(path, FileLock::Mode::Exclusive);
    EXPECT_FALSE(FileLock::try_acquire(path, FileLock::Mode::Shared));
  }
  EXPECT_TRUE(FileLock::try_acquire(path, FileLock::Mode::Shared));
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace proa::os
