// What a layer means: image-spec layer.md.
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "libcommon/archive/owners.h"
#include "libcommon/archive/tar_reader.h"
#include "tests/unit/archive/layer_fixture.h"

namespace proa::archive {
namespace {

using proa::testing::TarBuilder;
using ::testing::HasSubstr;

using Apply = LayerTest;

TEST_F(Apply, ModesTimesAndContents) {
  const mode_t before = ::umask(077);  // must not matter
  auto result = apply(TarBuilder()
                          .dir("d", 02775)
                          .add({.name = "d/f", .content = "content", .mode = 04755, .mtime = -315619200})
                          .add({.name = "d/nanos", .mode = 0666, .pax = {{"mtime", "1600000000.123456789"}}})
                          .add({.name = "none", .mode = 0})
                          .dir("ro", 0555)
                          .file("ro/f")
                          .dir("closed", 0)
                          .file("closed/f", "inside")
                          .add({.name = "fifo", .type = '6', .mode = 0622})
                          .symlink("s", "target")
                          .file("implied/dir/f")
                          .str());
  ::umask(before);
  EXPECT_EQ(result.entries, 11u);
  EXPECT_EQ(info("d").st_mode & 07777, 02775u);
  EXPECT_EQ(info("d/f").st_mode & 07777, 04755u);
  EXPECT_EQ(info("d/f").st_mtim.tv_sec, -315619200);
  EXPECT_EQ(info("d/nanos").st_mode & 07777, 0666u);
  EXPECT_EQ(info("d/nanos").st_mtim.tv_nsec, 123456789);
  EXPECT_EQ(info("none").st_mode & 07777, 0u);
  EXPECT_EQ(info("ro").st_mode & 07777, 0555u);
  EXPECT_EQ(info("closed").st_mode & 07777, 0u);
  EXPECT_EQ(info("fifo").st_mode & 07777, 0622u);
  EXPECT_TRUE(S_ISFIFO(info("fifo").st_mode));
  EXPECT_EQ(info("implied/dir").st_mode & 07777, 0755u);
  for (const char* path : {"d", "ro", "s", "fifo", "closed"})
    EXPECT_EQ(info(path).st_mtim.tv_sec, 1'700'000'000) << path;
  EXPECT_EQ(read("d/f"), "content");
}

// Tries, while it is read, what only a hijacked codec would.
class CuriousSource final : public io::Source {
 public:
  explicit CuriousSource(std::string tar) : tar_(std::move(tar)) {}
  std::size_t read(io::Buffer buffer) override {
    os::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
    socket_error = socket.valid() ? 0 : errno;
    os::UniqueFd file(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
    file_error = file.valid() ? 0 : errno;
    return tar_.read(buffer);
  }
  int socket_error = 0, file_error = 0;

 private:
  io::MemorySource tar_;
};

TEST_F(Apply, HappensWithoutPrivileges) {
  CuriousSource tar(TarBuilder().file("f").str());
  apply_layer(tar, os::Dir::open(root()), options_);
  EXPECT_EQ(tar.socket_error, EPERM);
  const bool landlock = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 2;
  EXPECT_EQ(tar.file_error, landlock ? EACCES : 0);
  EXPECT_TRUE(exists("f"));
}

TEST_F(Apply, OwnersAreRealWithFullRanges) {
  if (*entered_mode() != os::IdMode::Full) GTEST_SKIP() << "needs ranges of subordinate ids";
  apply(TarBuilder()
            .add({.name = "f", .mode = 06755, .uid = 12, .gid = 34})
            .add({.name = "d/", .type = '5', .mode = 02770, .uid = 65535, .gid = 5})
            .file("d/rootfile")
            .dir("d/rootdir")
            .add({.name = "s", .type = '2', .link = "f", .uid = 7, .gid = 8})
            .add({.name = "p", .type = '6', .uid = 9, .gid = 9})
            .str());
  auto owner = [&](const char* path) { return std::pair(info(path).st_uid, info(path).st_gid); };
  EXPECT_EQ(owner("f"), std::pair(12u, 34u));
  EXPECT_EQ(info("f").st_mode & 07777, 06755u);  // chown takes set-id bits away: the mode comes after
  EXPECT_EQ(owner("d"), std::pair(65535u, 5u));
  EXPECT_EQ(info("d").st_mode & 07777, 02770u);
  EXPECT_EQ(owner("d/rootfile"), std::pair(0u, 0u));  // not the group of a set-group-id directory
  EXPECT_EQ(owner("d/rootdir"), std::pair(0u, 0u));
  EXPECT_EQ(owner("s"), std::pair(7u, 8u));
  EXPECT_EQ(owner("p"), std::pair(9u, 9u));
}

TEST_F(Apply, OwnersAreRecordedWithASingleId) {
  options_.mode = os::IdMode::Single;
  auto tar = TarBuilder()
                 .add({.name = "f", .uid = 12, .gid = 34})
                 .add({.name = "d/", .type = '5', .mode = 0755, .uid = 4294967294})
                 .file("mine")
                 .str();
  apply(tar);
  EXPECT_EQ(xattr("f", kOwnerXattr), "12:34");
  EXPECT_EQ(xattr("d", kOwnerXattr), "4294967294:0");
  EXPECT_EQ(xattr("mine", kOwnerXattr), std::nullopt);
  EXPECT_EQ(info("f").st_uid, 0u);
  // And given back.
  io::MemorySource source(make());
  TarReader reader(source);
  TarEntry entry;
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> owners;
  while (reader.next(entry)) {
    owners[entry.path] = {entry.uid, entry.gid};
    EXPECT_TRUE(entry.xattrs.empty()) << entry.path;
  }
  EXPECT_EQ(owners["f"], std::pair(std::uint64_t{12}, std::uint64_t{34}));
  EXPECT_EQ(owners["d/"].first, 4294967294u);
}

TEST_F(Apply, DevicesNeverWorkWithoutRoot) {
  apply(TarBuilder()
            .add({.name = "null", .type = '3', .mode = 0666, .dev_major = 1, .dev_minor = 3})
            .add({.name = "loop", .type = '4', .mode = 0660, .dev_major = 7, .dev_minor = 0})
            .str());
  EXPECT_TRUE(S_ISREG(info("null").st_mode));
  EXPECT_EQ(xattr("null", kDeviceXattr), "c:1:3");
  EXPECT_EQ(xattr("loop", kDeviceXattr), "b:7:0");
  io::MemorySource source(make());
  TarReader reader(source);
  TarEntry entry;
  ASSERT_TRUE(reader.next(entry));
  EXPECT_EQ(entry.kind, EntryKind::BlockDevice);
  EXPECT_EQ(entry.mode, 0660u);
  ASSERT_TRUE(reader.next(entry));
  EXPECT_EQ(entry.kind, EntryKind::CharDevice);
  EXPECT_EQ(entry.dev_major, 1u);
  EXPECT_EQ(entry.dev_minor, 3u);
}

TEST_F(Apply, AttributesAndCapabilities) {
  const std::string v2("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  const std::string v3 = std::string("\1\0\0\3\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20) + std::string(4, '\0');
  apply(TarBuilder()
            .add({.name = "x", .pax = {{"SCHILY.xattr.user.bin", std::string("\0\1=\n", 4)}}})
            .add({.name = "cap", .mode = 0755, .pax = {{"SCHILY.xattr.security.capability", v2}}})
            .add({.name = "cap3", .mode = 0755, .pax = {{"SCHILY.xattr.security.capability", v3}}})
            .str());
  EXPECT_EQ(xattr("x", "user.bin"), std::string("\0\1=\n", 4));
  EXPECT_EQ(xattr("cap", "security.capability"), v2);  // as seen inside: the kernel stores it with our root id
  EXPECT_EQ(xattr("cap3", "security.capability"), v2);
  EXPECT_THAT(refusal(TarBuilder().add({.name = "y", .pax = {{"SCHILY.xattr.security.capability", "short"}}}).str()),
              HasSubstr("security.capability"));
}

TEST_F(Apply, NamesAreBytes) {
  for (std::string name :
       {"latin1-\xe9\xff", "new\nline", "back\\slash", "*?[x]", "-rf", " lead", "trail ", ".whatever", "wh.x"}) {
    apply(TarBuilder().file(name, name).str());
    EXPECT_EQ(read(name), name);
  }
  apply(TarBuilder().file("./dot/f").file("/abs/f").file("a//b///c").file("d/./e").dir("e//").str());
  for (const char* path : {"dot/f", "abs/f", "a/b/c", "d/e", "e"}) EXPECT_TRUE(exists(path)) << path;
}

TEST_F(Apply, AbsoluteLinksInsideTheRootWork) {
  apply(TarBuilder().dir("run").symlink("var/run", "/run").file("var/run/pid", "1").str());
  EXPECT_EQ(read("run/pid"), "1");
  // Also to a place that is made by this very use.
  apply(TarBuilder().symlink("lib", "usr/lib").file("lib/x/y", "2").str());
  EXPECT_EQ(read("usr/lib/x/y"), "2");
}

TEST_F(Apply, OnePathTwiceTheLastOneCounts) {
  apply(TarBuilder()
            .file("f", "first")
            .file("f", "second")
            .dir("d")
            .file("d/x")
            .file("d", "now a file")
            .file("e")
            .dir("e")
            .file("e/y", "in a directory")
            .dir("keep", 0700)
            .file("keep/z", "stays")
            .dir("keep", 0751)
            .symlink("s", "keep")
            .dir("s")
            .str());
  EXPECT_EQ(read("f"), "second");
  EXPECT_EQ(read("d"), "now a file");
  EXPECT_EQ(read("e/y"), "in a directory");
  EXPECT_EQ(read("keep/z"), "stays");
  EXPECT_EQ(info("keep").st_mode & 07777, 0751u);
  EXPECT_TRUE(S_ISDIR(info("s").st_mode));
}

TEST_F(Apply, HardLinks) {
  apply(TarBuilder()
            .add({.name = "a", .content = "same", .mode = 0640})
            .hard_link("d/b", "./a")
            .hard_link("c", "/d/b")
            .hard_link("a", "a")
            .symlink("s", "a")
            .hard_link("t", "s")
            .str());
  EXPECT_EQ(info("a").st_ino, info("d/b").st_ino);
  EXPECT_EQ(info("a").st_nlink, 3u);
  EXPECT_EQ(info("c").st_mode & 07777, 0640u);
  EXPECT_TRUE(S_ISLNK(info("t").st_mode));
}

TEST_F(Apply, SparseFilesKeepTheirHoles) {
  std::string map = "2\n0\n3\n1048576\n4\n";
  map.resize(512, '\0');
  apply(TarBuilder()
            .add({.name = "x",
                  .content = map + "abcdefg",
                  .pax = {{"GNU.sparse.major", "1"},
                          {"GNU.sparse.minor", "0"},
                          {"GNU.sparse.name", "s"},
                          {"GNU.sparse.realsize", "2097152"}}})
            .str());
  auto text = read("s");
  EXPECT_EQ(text.size(), 2097152u);
  EXPECT_EQ(text.substr(0, 4), std::string("abc\0", 4));
  EXPECT_EQ(text.substr(1048575, 6), std::string("\0defg\0", 6));
  EXPECT_LT(info("s").st_blocks, 100);
}

// Whiteouts for overlayfs.

TEST_F(Apply, WhiteoutsAreDevicesAndOpaqueDirectoriesMarked) {
  auto result = apply(
      TarBuilder().file(".wh.gone").file("fresh/.wh.f").file("opq/.wh..wh..opq").file("opq/new").dir("opq").str());
  EXPECT_EQ(result.whiteouts, 3u);
  EXPECT_TRUE(is_whiteout("gone"));
  EXPECT_TRUE(is_whiteout("fresh/f"));
  EXPECT_EQ(xattr("opq", "user.overlay.opaque"), "y");
  EXPECT_FALSE(exists("opq/.wh..wh..opq"));
  EXPECT_FALSE(result.opaque_root);
  EXPECT_TRUE(apply(TarBuilder().file(".wh..wh..opq").str()).opaque_root);
}

TEST_F(Apply, WhiteoutAndEntryOfOneNameInOneLayer) {
  apply(TarBuilder()
            .file(".wh.a")
            .file("a", "kept")
            .file("b", "kept")
            .file(".wh.b")
            .file(".wh.c")
            .dir("c")
            .file("c/new")
            .dir("d")
            .file("d/new")
            .file(".wh.d")
            .str());
  EXPECT_EQ(read("a"), "kept");
  EXPECT_EQ(read("b"), "kept");
  // What a lower layer has below is hidden, what this one has is not.
  EXPECT_EQ(xattr("c", "user.overlay.opaque"), "y");
  EXPECT_EQ(xattr("d", "user.overlay.opaque"), "y");
  EXPECT_TRUE(exists("d/new"));
}

// Whiteouts in a merged tree.

TEST_F(Apply, MergeRemovesWhatIsWhitedOut) {
  options_.whiteouts = WhiteoutStyle::Merge;
  apply(TarBuilder()
            .file("gone")
            .dir("gonedir")
            .file("gonedir/sub/f")
            .file("opq/old")
            .file("opq/olddir/f")
            .file("opq/both")
            .file("late/old")
            .file("late/sub/old")
            .str());
  apply(TarBuilder()
            .file(".wh.gone")
            .file(".wh.gonedir")
            .file(".wh.never")
            .file("opq/.wh..wh..opq")
            .file("opq/new")
            .file("opq/both", "new")
            .file("late/new")
            .file("late/sub/new")
            .file("late/.wh..wh..opq")
            .file("fresh/.wh.x")
            .str());
  EXPECT_FALSE(exists("gone"));
  EXPECT_FALSE(exists("gonedir"));
  EXPECT_FALSE(exists("opq/old"));
  EXPECT_FALSE(exists("opq/olddir"));
  EXPECT_EQ(read("opq/both"), "new");
  EXPECT_TRUE(exists("opq/new"));
  EXPECT_TRUE(exists("late/new"));
  EXPECT_FALSE(exists("late/old"));
  EXPECT_TRUE(exists("late/sub/new"));
  EXPECT_FALSE(exists("late/sub/old"));
  EXPECT_FALSE(exists("fresh"));
}

TEST_F(Apply, PlainArchivesHaveNoWhiteouts) {
  options_.whiteouts = WhiteoutStyle::Plain;
  options_.prefix = "opt/app";
  apply(TarBuilder().file(".wh.f", "ordinary").file("./g", "g").hard_link("h", "g").dir("./", 0711).str());
  EXPECT_EQ(read("opt/app/.wh.f"), "ordinary");
  EXPECT_EQ(info("opt/app/h").st_nlink, 2u);
  EXPECT_EQ(info("opt/app").st_mode & 07777, 0711u);
}

}  // namespace
}  // namespace proa::archive
