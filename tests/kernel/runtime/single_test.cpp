// One mapped id: ownership is emulated, so that installers work.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/os/file.h"
#include "tests/kernel/runtime/container.h"

namespace proa::test {
namespace {

class SingleId : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() == 0) GTEST_SKIP() << "root needs no emulation";
  }
};

TEST_F(SingleId, OwnershipCallsSucceed) {
  Box box;
  box.single = true;
  auto result = box.sh(
      "set -e; touch /f; chown 33:33 /f; chown -h 5 /f; mkdir /d; chown -R 1000:1000 /d; mknod /tmp/dev c 1 3; mknod "
      "/tmp/fifo p; "
      "test -p /tmp/fifo; stat -c %u:%g /f; cat /proc/self/uid_map; echo done");
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_NE(result.out.find("0:0\n"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("done\n"), std::string::npos);
}

TEST_F(SingleId, ArchivesWithOwnersUnpack) {
  Box box;
  box.single = true;
  auto result = box.sh(
      "set -e; cd /tmp; mkdir a; echo x > a/b; tar -cf t.tar a; rm -rf a 2>/dev/null || true; tar -xpf t.tar; cat a/b");
  EXPECT_EQ(result.out, "x\n") << result.error;
}

TEST_F(SingleId, OtherUsersRunAsTheOneIdWithoutCapabilities) {
  Box box;
  box.single = true;
  box.spec.identity = {1000, 1000, {1000}, "/home/ann", "ann"};
  auto result = box.sh("id -u; grep CapEff /proc/self/status");
  EXPECT_EQ(result.out, "0\nCapEff:\t0000000000000000\n") << result.error;
}

}  // namespace
}  // namespace proa::test
