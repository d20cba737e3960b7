// One mapped id: ownership is emulated, so that installers work.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/os/file.h"
#include "libcommon/os/owner_note.h"
#include "libcommon/os/xattr.h"
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

class RecordedOwners : public SingleId {
 protected:
  RecordedOwners() {
    box.single = true;
    box.request = [](runtime::LaunchRequest& launch) { launch.record_owners = true; };
  }
  std::string owner(const std::string& path) const {
    os::UniqueFd file = os::open(box.root() + path, O_PATH | O_NOFOLLOW);
    return os::get_xattr(file.get(), os::kOwnerXattr).value_or("");
  }
  unsigned mode(const std::string& path) const { return os::stat(box.root() + path).st_mode & 07777U; }
  void must(const std::string& script) {
    auto result = box.sh(script);
    EXPECT_EQ(result.error, "");
    EXPECT_EQ(result.code, 0) << result.out;
  }
  Box box;
};

TEST_F(RecordedOwners, AreNotedAsTheCallsSay) {
  must(
      "set -e; mkdir -p /d/e; echo x > /d/e/f; chown 33:34 /d/e/f; chown 33:35 /d/e/f; chown 36 /d; "
      "touch /back; chown 5:6 /back; chown 0:0 /back; cd /d/e; echo > g; chown 7 g; chown 8 ../e/../e/g; "
      "ln -s /d/e/g /link; chown 9 /link; chown -h 10 /link; stat -c %u:%g /d/e/f");
  EXPECT_EQ(owner("/d/e/f"), "33:35");
  EXPECT_EQ(owner("/d"), "36:0");
  EXPECT_EQ(owner("/back"), "");
  EXPECT_EQ(owner("/d/e/g"), "9:0");
}

TEST_F(RecordedOwners, SetIdBitsAndCapabilitiesGoAsWithARealChown) {
  must(
      "set -e; for f in a b c; do cp /bin/busybox /$f; done; chmod 6755 /a /b; chown 5 /a; chown 0:0 /b; "
      "chown 5:6 /c; chmod 2755 /c; mkdir /d; chmod 2775 /d; chown 5 /d");
  EXPECT_EQ(mode("/a"), 0755U);
  EXPECT_EQ(mode("/b"), 0755U);
  EXPECT_EQ(mode("/c"), 02755U);
  EXPECT_EQ(owner("/c"), "5:6");
  EXPECT_EQ(mode("/d"), 02775U);
}

TEST_F(RecordedOwners, MistakesAreTheKernels) {
  must(
      "! chown 5 /nothing 2>/tmp/1; grep -q 'No such file' /tmp/1; ! chown 5 /bin/sh/x 2>/tmp/2; grep -q 'Not a dir' "
      "/tmp/2; ln -s /loop /loop; ! chown 5 /loop 2>/tmp/3; grep -q 'ymbolic' /tmp/3; ! chown 5 '' 2>/dev/null");
}

TEST_F(RecordedOwners, DescriptorsAndWhatHasNoAttributesAreAnswered) {
  must(
      "set -e; chown 5 /dev/stdout /proc/self/fd/1 /dev/null; mkdir -p /var/log; ln -s /dev/stdout /var/log/access; "
      "chown "
      "5 /var/log/access; mknod /tmp/p p; chown 5 /tmp/p; touch /tmp/f; chown 5 /proc/self/cwd/tmp/f");
}

// The recorder looks names up with more rights than the container, but in the container's root only.
TEST_F(RecordedOwners, NothingOutsideIsTouched) {
  std::string outside = box.directory() + "/outside";
  os::UniqueFd made = os::open(outside, O_WRONLY | O_CREAT, 04755);
  ASSERT_EQ(::fchmod(made.get(), 04755), 0);
  box.link(outside, "/absolute");
  box.link("../../../../../../../../../../" + outside, "/dots");
  must("! chown 5 /absolute 2>/dev/null; ! chown 5 /dots 2>/dev/null; ! chown 5 /../../../../" + outside +
       " 2>/dev/null; cd /proc/self/root/..; ! chown 5 .." + outside + " 2>/dev/null");
  EXPECT_EQ(os::get_xattr(made.get(), os::kOwnerXattr), std::nullopt);
  EXPECT_EQ(os::stat(outside).st_mode & 07777U, 04755U);
}

TEST_F(RecordedOwners, AreAskedForByRootOnly) {
  box.spec.identity = {1000, 1000, {1000}, "/", "ann"};
  box.file("/f", "", 0666);
  must("chown 5:6 /f");
  EXPECT_EQ(owner("/f"), "");
}

TEST_F(SingleId, ArchivesWithOwnersUnpack) {
  Box box;
  box.single = true;
  auto result = box.sh(
      "set -e; cd /tmp; mkdir a; echo x > a/b; tar -cf t.tar a; rm -rf a 2>/dev/null || true; tar -xpf t.tar; cat a/b");
  EXPECT_EQ(result.out, "x\n") << result.error;
}

TEST_F(SingleId, OtherUsersHaveTheOneIdAndNoCapabilities) {
  Box box;
  box.single = true;
  box.spec.identity = {1234, 1000, {1000}, "/home/ann", "ann"};
  box.spec.cwd = "/made";
  auto result =
      box.sh("id -u; id -g; grep CapEff /proc/self/status; touch /made/f; stat -c %u:%g /made/f; chown 5 /made/f");
  EXPECT_EQ(result.out, "1234\n1000\nCapEff:\t0000000000000000\n1234:1000\n") << result.error;
}

}  // namespace
}  // namespace proa::test
