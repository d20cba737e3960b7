#include "libcommon/os/confine.h"

#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <thread>

#include "libcommon/os/file.h"

namespace proa::os {
namespace {

class ConfineTest : public ::testing::Test {
 protected:
  ConfineTest() {
    std::string pattern = "/tmp/proa-confine-test-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
    make_dirs(path_ + "/inside/folder");
    write_all(open(path_ + "/outside", O_WRONLY | O_CREAT, 0600).get(), "outside", "outside");
    inside_ = open(path_ + "/inside", O_RDONLY | O_DIRECTORY);
  }
  ~ConfineTest() override { remove_tree(path_); }

  // errno of `call` (0: it succeeded) in a confined thread.
  int confined(const std::function<long()>& call) const {
    int error = -1;
    std::thread([&] {
      confine_thread_to(inside_.get());
      errno = 0;
      error = call() < 0 ? errno : 0;
    }).join();
    return error;
  }
  static bool have_landlock() {
    return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 2;
  }

  std::string path_;
  UniqueFd inside_;
};

TEST_F(ConfineTest, FilesAreMadeAndLinkedBelowTheDirectory) {
  EXPECT_EQ(confined([&] { return UniqueFd(::openat(inside_.get(), "file", O_WRONLY | O_CREAT, 0600)).valid() - 1; }),
            0);
  EXPECT_EQ(confined([&] { return ::mkdirat(inside_.get(), "made", 0700); }), 0);
  EXPECT_EQ(confined([&] { return ::linkat(inside_.get(), "file", inside_.get(), "folder/link", 0); }), 0);
  EXPECT_EQ(confined([&] { return ::symlinkat("x", inside_.get(), "symlink"); }), 0);
  EXPECT_EQ(confined([&] { return ::unlinkat(inside_.get(), "file", 0); }), 0);
}

TEST_F(ConfineTest, NothingElsewhereIsOpenedOrMade) {
  if (!have_landlock()) GTEST_SKIP() << "no Landlock";
  for (const std::string& file : {path_ + "/outside", std::string("/etc/passwd"), std::string("/proc/self/mem")}) {
    EXPECT_EQ(confined([&] { return UniqueFd(::open(file.c_str(), O_RDONLY)).valid() - 1; }), EACCES) << file;
  }
  EXPECT_EQ(confined([&] { return ::mkdirat(AT_FDCWD, (path_ + "/made").c_str(), 0700); }), EACCES);
  EXPECT_EQ(confined([&] { return ::unlinkat(AT_FDCWD, (path_ + "/outside").c_str(), 0); }), EACCES);
  EXPECT_TRUE(exists(path_ + "/outside"));
}

TEST_F(ConfineTest, NoSocketsProcessesProgramsOrExecutableMemory) {
  EXPECT_EQ(confined([] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }), EPERM);
  EXPECT_EQ(confined([] { return ::syscall(SYS_execve, "/bin/true", nullptr, nullptr); }), EPERM);
  EXPECT_EQ(confined([] { return ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }), EPERM);
  EXPECT_EQ(confined([] { return ::syscall(SYS_unshare, CLONE_NEWUSER); }), EPERM);
  EXPECT_EQ(confined([] {
              void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return memory == MAP_FAILED ? -1L : 0L;
            }),
            EPERM);
  EXPECT_EQ(confined([] {
              void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return memory == MAP_FAILED || ::munmap(memory, 4096) != 0 ? -1L : 0L;
            }),
            0);
}

TEST_F(ConfineTest, OtherThreadsAreAsBefore) {
  confined([] { return 0L; });
  EXPECT_TRUE(UniqueFd(::open((path_ + "/outside").c_str(), O_RDONLY)).valid());
  EXPECT_TRUE(UniqueFd(::socket(AF_UNIX, SOCK_STREAM, 0)).valid());
}

}  // namespace
}  // namespace proa::os
