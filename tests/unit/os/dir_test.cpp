#include "libcommon/os/dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/os/root_file.h"

namespace proa::os {
namespace {

class TemporaryRoot {
 public:
  TemporaryRoot() {
    std::string pattern = "/tmp/proa-dir-test-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
    make_dirs(path_ + "/root/etc");
    make_dirs(path_ + "/root/var/run");
    write_all(open(path_ + "/secret", O_WRONLY | O_CREAT, 0600).get(), "outside", "secret");
    write_all(open(path_ + "/root/etc/passwd", O_WRONLY | O_CREAT, 0600).get(), "inside", "passwd");
  }
  ~TemporaryRoot() { remove_tree(path_); }
  Dir root() const { return Dir::open(path_ + "/root"); }
  void link(const std::string& target, const std::string& name) const {
    ASSERT_EQ(::symlink(target.c_str(), (path_ + "/root/" + name).c_str()), 0);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string read_in(const Dir& root, const std::string& path) {
  auto fd = root.try_open_in_root(path, O_RDONLY);
  return fd ? read_fd(fd->get(), 100, path) : "absent";
}

// rule-1 in docs/security.md: whatever a path or a link says, resolution ends inside the root.
TEST(Dir, LinksAndDotsNeverLeaveTheRoot) {
  TemporaryRoot dir;
  Dir root = dir.root();
  dir.link("/etc/passwd", "absolute");
  dir.link("../../../../etc/passwd", "relative");
  dir.link("/", "top");
  dir.link("../secret", "escape");
  dir.link(dir.path() + "/secret", "host");
  for (const char* path :
       {"absolute", "relative", "top/etc/passwd", "/etc/passwd", "../../etc/passwd", "top/../../etc/passwd"}) {
    EXPECT_EQ(read_in(root, path), "inside") << path;
  }
  for (const char* path : {"escape", "host", "../secret", "top/../secret"})
    EXPECT_EQ(read_in(root, path), "absent") << path;
}

TEST(Dir, LinkLoopsAreAnError) {
  TemporaryRoot dir;
  dir.link("b", "a");
  dir.link("a", "b");
  EXPECT_THROW(dir.root().open_in_root("a", O_RDONLY), Error);
}

TEST(Dir, ParentIsPinnedAndLastComponentIsANameOnly) {
  TemporaryRoot dir;
  Dir root = dir.root();
  dir.link("/var", "v");
  auto [parent, name] = root.open_parent_in_root("/v/run/new/");
  EXPECT_EQ(name, "new");
  ASSERT_EQ(::mkdirat(parent.get(), name.c_str(), 0755), 0);
  EXPECT_TRUE(exists(dir.path() + "/root/var/run/new"));
  for (const char* path : {"", "/", ".", "etc/..", "etc/."})
    EXPECT_THROW(root.open_parent_in_root(path), Error) << path;
}

// CVE-2024-45310 in docs/security.md
TEST(Dir, MissingDirectoriesAreMadeInsideOnly) {
  TemporaryRoot dir;
  dir.link("../../../" + dir.path() + "/planted", "out");
  dir.link("/var/run", "run");
  dir.root().make_dirs_in_root("run/app/data");
  EXPECT_TRUE(exists(dir.path() + "/root/var/run/app/data"));
  // Made where the link points, but below this root: never at the host's path of that name.
  dir.root().make_dirs_in_root("out/new");
  EXPECT_TRUE(exists(dir.path() + "/root" + dir.path() + "/planted/new"));
  EXPECT_FALSE(exists(dir.path() + "/planted"));
}

TEST(Dir, MissingFilesAreMadeWhereLinksPointInsideOnly) {
  TemporaryRoot dir;
  Dir root = dir.root();
  dir.link("../run/resolve/stub.conf", "etc/resolv.conf");
  dir.link(dir.path() + "/planted", "etc/absolute");
  dir.link("../../../../../.." + dir.path() + "/planted", "etc/dots");
  make_file_in_root(root, "/etc/resolv.conf");
  EXPECT_TRUE(exists(dir.path() + "/root/run/resolve/stub.conf"));
  make_file_in_root(root, "/etc/absolute");
  make_file_in_root(root, "/etc/dots");
  EXPECT_TRUE(exists(dir.path() + "/root" + dir.path() + "/planted"));
  EXPECT_FALSE(exists(dir.path() + "/planted"));
  make_file_in_root(root, "/new/deep/file/");
  EXPECT_TRUE(S_ISREG(stat(dir.path() + "/root/new/deep/file").st_mode));
  make_file_in_root(root, "/etc/passwd");
  EXPECT_GT(stat(dir.path() + "/root/etc/passwd").st_size, 0);
  dir.link("loop", "loop");
  EXPECT_THROW(make_file_in_root(root, "loop"), Error);
}

TEST(File, RemoveTreeDoesNotFollowLinksAndMindsNoPermissions) {
  TemporaryRoot dir;
  make_dirs(dir.path() + "/tree/a/b/c");
  ASSERT_EQ(::symlink((dir.path() + "/root").c_str(), (dir.path() + "/tree/a/link").c_str()), 0);
  ASSERT_EQ(::chmod((dir.path() + "/tree/a/b").c_str(), 0), 0);
  remove_tree(dir.path() + "/tree");
  EXPECT_FALSE(exists(dir.path() + "/tree"));
  EXPECT_TRUE(exists(dir.path() + "/root/etc/passwd"));
  remove_tree(dir.path() + "/tree");
}

// rule-9 in docs/security.md
TEST(File, HostileFilesAreRefusedAtOnce) {
  TemporaryRoot dir;
  ASSERT_EQ(::mkfifo((dir.path() + "/fifo").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("secret", (dir.path() + "/link").c_str()), 0);
  EXPECT_THROW(open_regular(dir.path() + "/fifo", 10), Error);
  EXPECT_THROW(open_regular(dir.path() + "/link", 10), Error);
  EXPECT_THROW(open_regular("/dev/zero", 10), Error);
  EXPECT_THROW(open_regular(dir.path() + "/secret", 3), Error);
  EXPECT_EQ(read_fd(open_regular(dir.path() + "/secret", 7).get(), 7, "secret"), "outside");
}

TEST(File, ReadFileHasACeiling) {
  EXPECT_THROW(read_file("/dev/zero", 1000), Error);
  EXPECT_FALSE(read_file("/proc/self/stat", 8192).empty());
  EXPECT_EQ(try_read_file("/no/such/file", 10), std::nullopt);
}

}  // namespace
}  // namespace proa::os
