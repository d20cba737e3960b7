// Hostile root file systems: every path of an image is resolved inside its root. A canary beside the root shows
// escapes.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/file.h"
#include "libcommon/os/process.h"
#include "libcommon/runtime/identity.h"
#include "tests/kernel/runtime/container.h"

namespace proa::test {
namespace {

class HostilePaths : public ::testing::Test {
 protected:
  HostilePaths() {
    canary_ = box_.directory() + "/canary";
    os::make_dirs(canary_, 0755);
    for (const char* name : {"/ptmx", "/hosts", "/passwd"}) {
      os::write_all(os::open(canary_ + name, O_WRONLY | O_CREAT, 0644).get(), "safe", name);
    }
  }
  void expect_untouched() {
    EXPECT_EQ(os::list_dir(canary_), (std::vector<std::string>{"hosts", "passwd", "ptmx"}));
    for (const char* name : {"/ptmx", "/hosts", "/passwd"}) EXPECT_EQ(os::read_file(canary_ + name, 100), "safe");
  }
  void replace(const std::string& path, const std::string& target) {
    os::remove_tree(box_.root() + path);
    box_.link(target, path);
  }
  std::string source(const std::string& name, const std::string& text) {
    std::string path = box_.directory() + "/" + name;
    os::write_all(os::open(path, O_WRONLY | O_CREAT, 0644).get(), text, path);
    return path;
  }
  void bind(const std::string& from, const std::string& to, bool read_only = false) {
    runtime::MountRequest request;
    request.source = from;
    request.target = to;
    request.read_only = read_only;
    box_.spec.mounts.push_back(request);
  }

  Box box_;
  std::string canary_;
};

TEST_F(HostilePaths, ProcAsALinkOrFileIsRefused) {
  replace("/proc", canary_);
  auto result = box_.sh("true");
  EXPECT_EQ(result.code, 125);
  EXPECT_NE(result.error.find("/proc of the image"), std::string::npos) << result.error;
  os::remove_tree(box_.root() + "/proc");
  box_.file("/proc", "x");
  EXPECT_EQ(box_.sh("true").code, 125);
  expect_untouched();
}

TEST_F(HostilePaths, SysAsALinkIsRefused) {
  replace("/sys", "/etc");
  EXPECT_EQ(box_.sh("true").code, 125);
  expect_untouched();
}

TEST_F(HostilePaths, DevAsALinkStaysInside) {
  replace("/dev", canary_);
  box_.sh("true");
  expect_untouched();
}

TEST_F(HostilePaths, NothingIsMountedOnOrBelowProc) {
  std::string file = source("fake", "fake");
  for (const char* target : {"/proc", "/proc/self/attr", "/proc/sys/kernel", "/etc/../proc/1", "//proc/./version"}) {
    box_.spec.mounts.clear();
    bind(std::string(target) == "/proc" ? box_.directory() : file, target);
    auto result = box_.sh("true");
    EXPECT_EQ(result.code, 125) << target;
    EXPECT_NE(result.error.find("/proc"), std::string::npos);
  }
  // The same by a link of the image.
  box_.spec.mounts.clear();
  box_.link("/proc/self", "/etc/way");
  bind(file, "/etc/way/attr/current");
  EXPECT_EQ(box_.sh("true").code, 125);
}

TEST_F(HostilePaths, BindTargetsThatAreLinksResolveInside) {
  replace("/etc", canary_);
  box_.dir(canary_);  // the same path inside the root
  bind(source("hosts", "127.0.0.1 x\n"), "/etc/hosts");
  auto result = box_.sh("cat /etc/hosts");
  EXPECT_EQ(result.out, "127.0.0.1 x\n") << result.error;
  expect_untouched();
}

TEST_F(HostilePaths, MissingMountPointsAreMadeInside) {
  box_.link(canary_, "/link");
  bind(source("new", "new\n"), "/link/deep/new");
  auto result = box_.sh("cat /link/deep/new");
  EXPECT_EQ(result.out, "new\n") << result.error;
  expect_untouched();
}

// Images of machines with systemd-resolved have such a link.
TEST_F(HostilePaths, BindTargetsThatAreLinksToNothingAreMadeInside) {
  box_.link("../run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf");
  box_.link(canary_ + "/new", "/etc/hosts");
  bind(source("resolv", "nameserver 127.0.0.1\n"), "/etc/resolv.conf");
  bind(source("hosts", "127.0.0.1 x\n"), "/etc/hosts");
  auto result = box_.sh("cat /etc/resolv.conf /etc/hosts");
  EXPECT_EQ(result.out, "nameserver 127.0.0.1\n127.0.0.1 x\n") << result.error;
  expect_untouched();
}

TEST_F(HostilePaths, AbsoluteLinksInsideTheRootWork) {
  os::remove_tree(box_.root() + "/var");
  box_.dir("/run/real");
  box_.link("/run/real", "/var");
  bind(source("data", "data\n"), "/var/data");
  EXPECT_EQ(box_.sh("cat /run/real/data").out, "data\n");
}

TEST_F(HostilePaths, WorkingDirectoryThroughALinkIsMadeInside) {
  box_.link(canary_, "/home");
  box_.spec.cwd = "/home/new/place";
  EXPECT_EQ(box_.sh("pwd").code, 0);
  expect_untouched();
}

TEST_F(HostilePaths, WorkingDirectoryOutsideIsRefused) {
  // Descriptors of the caller that are still open when the container's init looks for its working directory.
  int leaked = ::open("/", O_RDONLY | O_DIRECTORY);
  for (int fd = 3; fd < 16; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) ::dup2(leaked, fd);
    box_.spec.cwd = "/proc/self/fd/" + std::to_string(fd);
    auto result = box_.sh("ls");
    EXPECT_EQ(result.out, "") << fd;
    EXPECT_NE(result.code, 0) << fd;
  }
  for (int fd = 3; fd < 16; ++fd) ::close(fd);
}

TEST_F(HostilePaths, MaskSourceIsTheHostsNullDevice) {
  os::remove_tree(box_.root() + "/dev");
  box_.dir("/dev");
  box_.link("/proc/sysrq-trigger", "/dev/null");
  EXPECT_EQ(box_.sh("stat -c %t:%T /proc/interrupts /dev/null").out, "1:3\n1:3\n");
}

TEST_F(HostilePaths, ReadOnlyBindsAreReadOnly) {
  bind(canary_, "/mnt", true);
  EXPECT_EQ(box_.sh("touch /mnt/x 2>/dev/null || echo refused; cat /mnt/hosts").out, "refused\nsafe");
  expect_untouched();
}

TEST_F(HostilePaths, TmpfsCopiesUpWhereAsked) {
  box_.dir("/data");
  box_.file("/data/file", "kept\n", 0640);
  runtime::MountRequest request;
  request.kind = runtime::MountRequest::Kind::Tmpfs;
  request.target = "/data";
  request.options = {"tmpcopyup"};
  box_.spec.mounts.push_back(request);
  EXPECT_EQ(box_.sh("cat /data/file; stat -c %a /data/file; echo y > /data/file; grep -c ' /data ' /proc/mounts").out,
            "kept\n640\n1\n");
  EXPECT_EQ(os::read_file(box_.root() + "/data/file", 100), "kept\n");
}

// CVE-2021-30465, CVE-2024-45310: the target is exchanged with a link to the host while containers start.
TEST_F(HostilePaths, RacingLinksDoNotLeadOut) {
  std::string shared = box_.directory() + "/shared";
  os::make_dirs(shared + "/dir", 0755);
  ASSERT_EQ(::symlink(canary_.c_str(), (shared + "/link").c_str()), 0);
  os::Child swapper = os::fork_process([&]() -> int {
    std::string a = shared + "/dir", b = shared + "/link";
    while (true) ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
  });
  bind(shared, "/vol");
  bind(source("data", "data"), "/vol/dir/new/file");
  for (int i = 0; i < 60; ++i) box_.sh("true");
  swapper.send(SIGKILL);
  expect_untouched();
}

TEST_F(HostilePaths, TmpfsLooksLikeWhatItCovers) {
  box_.dir("/closed");
  ::chmod((box_.root() + "/closed").c_str(), 0710);
  for (const char* target : {"/closed", "/brand/new"}) {
    runtime::MountRequest request;
    request.kind = runtime::MountRequest::Kind::Tmpfs;
    request.target = target;
    box_.spec.mounts.push_back(request);
  }
  EXPECT_EQ(box_.sh("stat -c %a /closed /brand/new").out, "710\n1777\n");
}

TEST_F(HostilePaths, PasswdIsReadInsideAndNeverBlocks) {
  os::Dir root = os::Dir::open(box_.root());
  EXPECT_EQ(runtime::resolve_identity("ann", {}, root).uid, 1000U);
  replace("/etc/passwd", canary_ + "/passwd");
  EXPECT_THROW(runtime::resolve_identity("ann", {}, root), Error);  // the link leads nowhere in the root
  os::remove_tree(box_.root() + "/etc/passwd");
  ASSERT_EQ(::mkfifo((box_.root() + "/etc/passwd").c_str(), 0644), 0);
  EXPECT_THROW(runtime::resolve_identity("ann", {}, root), Error);
  os::remove_tree(box_.root() + "/etc/passwd");
  os::UniqueFd big = os::open(box_.root() + "/etc/passwd", O_WRONLY | O_CREAT, 0644);
  ASSERT_EQ(::ftruncate(big.get(), 200 << 20), 0);
  EXPECT_THROW(runtime::resolve_identity("ann", {}, root), Error);
}

}  // namespace
}  // namespace proa::test
