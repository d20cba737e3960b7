#include "tools/build/steps/source_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "tools/build/steps/copy_files.h"

namespace proa::build {
namespace {

using ::testing::ElementsAre;

class Tree : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/proa-tree-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    base_ = name;
    os::make_dirs(base_ + "/ctx/d/e");
    os::make_dirs(base_ + "/root");
    write("ctx/a.txt", "A");
    write("ctx/b.txt", "B");
    write("ctx/d/e/f", "F");
    write("secret", "canary");
  }
  void TearDown() override { os::remove_tree(base_); }

  void write(const std::string& name, const std::string& text) {
    os::UniqueFd fd = os::open(base_ + "/" + name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    os::write_all(fd.get(), text, name);
  }
  void link(const std::string& target, const std::string& name) {
    ASSERT_EQ(::symlink(target.c_str(), (base_ + "/" + name).c_str()), 0);
  }
  SourceTree tree(const std::string& ignore = "") {
    return SourceTree(os::Dir::open(base_ + "/ctx"), IgnoreRules(parse_ignore_file(ignore)), "the build context");
  }
  std::vector<std::string> names(const SourceTree& tree, const std::string& pattern) {
    std::vector<std::string> result;
    for (const Source& source : tree.select(pattern)) result.push_back(source.path);
    return result;
  }
  std::string digest(const std::string& pattern, const std::string& ignore = "") {
    SourceTree source = tree(ignore);
    return source.digest(source.select(pattern)[0], {});
  }
  std::string copied(const std::string& pattern, const std::string& destination) {
    SourceTree source = tree();
    os::Dir root = os::Dir::open(base_ + "/root");
    // One mapped id and owner 0: needs no rights.
    CopyRequest request{
        destination, destination.ends_with('/'), Owner(os::IdMode::Single, Ownership{}), std::nullopt, {}};
    CopyFiles files(root, request);
    for (const Source& found : source.select(pattern)) files.copy(source, found);
    return base_ + "/root";
  }
  std::string read(const std::string& path) { return os::read_file(base_ + "/" + path, 1000); }

  std::string base_;
};

TEST_F(Tree, PatternsNameFilesOfTheTreeOnly) {
  EXPECT_THAT(names(tree(), "*.txt"), ElementsAre("a.txt", "b.txt"));
  EXPECT_THAT(names(tree(), "/d/?/f"), ElementsAre("d/e/f"));
  EXPECT_THAT(names(tree(), "../../a.txt"), ElementsAre("a.txt"));
  EXPECT_THROW(tree().select("../secret"), Error);
  EXPECT_TRUE(tree().select("*.none").empty()) << "a pattern may fit nothing";
}

TEST_F(Tree, IgnoredFilesAreNotThere) {
  EXPECT_THAT(names(tree("a.*"), "*.txt"), ElementsAre("b.txt"));
  EXPECT_THROW(tree("d").select("d"), Error);
  EXPECT_THAT(names(tree("d\n!d/e/f"), "d"), ElementsAre("d"));
  link("a.txt", "ctx/alias");
  EXPECT_THROW(tree("a.txt").select("alias"), Error) << "an ignored file must not come in by a link";
}

TEST_F(Tree, LinksStayInside) {
  link("/../../secret", "ctx/up");
  link(base_ + "/secret", "ctx/absolute");
  link("a.txt", "ctx/good");
  EXPECT_THROW(tree().select("up"), Error);
  EXPECT_THROW(tree().select("absolute"), Error);
  copied("good", "/file");
  EXPECT_EQ(read("root/file"), "A");
  link(base_ + "/secret", "ctx/d/inner");
  copied("d", "/d");
  EXPECT_EQ(os::read_link(base_ + "/root/d/inner"), base_ + "/secret") << "links in folders are copied as links";
}

TEST_F(Tree, DestinationLinksStayInside) {
  os::make_dirs(base_ + "/canary");
  link(base_ + "/canary", "root/out");
  link(base_ + "/secret", "root/file");
  copied("a.txt", "/out/");
  copied("d", "/out/d");
  copied("b.txt", "/file");
  EXPECT_TRUE(os::list_dir(base_ + "/canary").empty());
  EXPECT_EQ(read("secret"), "canary");
  EXPECT_EQ(read("root/file"), "B");
  EXPECT_EQ(read("root" + base_ + "/canary/a.txt"), "A");
}

TEST_F(Tree, DigestSeesContentModesAndLinksButNoTimes) {
  std::string first = digest(".");
  struct timespec times[2] = {{1, 0}, {1, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (base_ + "/ctx/a.txt").c_str(), times, 0), 0);
  EXPECT_EQ(digest("."), first);
  ASSERT_EQ(::chmod((base_ + "/ctx/a.txt").c_str(), 0755), 0);
  std::string moded = digest(".");
  EXPECT_NE(moded, first);
  write("ctx/d/e/f", "G");
  std::string changed = digest(".");
  EXPECT_NE(changed, moded);
  link("x", "ctx/l");
  std::string linked = digest(".");
  EXPECT_NE(linked, changed);
  ASSERT_EQ(::unlink((base_ + "/ctx/l").c_str()), 0);
  link("y", "ctx/l");
  EXPECT_NE(digest("."), linked);
  EXPECT_EQ(digest(".", "l"), changed) << "what is ignored does not count";
}

TEST_F(Tree, AFileThatChangesBetweenDigestAndCopyIsAnError) {
  SourceTree source = tree();
  std::vector<Source> found = source.select("a.txt");
  source.digest(found[0], {});
  write("ctx/a.txt", "changed");
  os::Dir root = os::Dir::open(base_ + "/root");
  CopyRequest request{"/x", false, Owner(os::IdMode::Single, Ownership{}), std::nullopt, {}};
  EXPECT_THROW(CopyFiles(root, request).copy(source, found[0]), Error);
}

TEST_F(Tree, FifosAreNeverReadAndSocketsRefused) {
  ASSERT_EQ(::mkfifo((base_ + "/ctx/fifo").c_str(), 0600), 0);
  digest(".");  // would hang if it were opened for reading
  copied(".", "/all");
  EXPECT_TRUE(S_ISFIFO(os::stat(base_ + "/root/all/fifo").st_mode));
  int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address {
    AF_UNIX, {}
  };
  std::string path = base_ + "/ctx/sock";
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<struct sockaddr*>(&address), sizeof(address)), 0);
  ::close(fd);
  EXPECT_THROW(digest("."), Error);
}

TEST_F(Tree, FilesReplaceFilesAndFoldersMerge) {
  os::make_dirs(base_ + "/root/d/e", 0700);
  write("root/d/old", "old");
  copied("d", "/d");
  EXPECT_EQ(read("root/d/old"), "old");
  EXPECT_EQ(read("root/d/e/f"), "F");
  copied("b.txt", "/d/old");
  EXPECT_EQ(read("root/d/old"), "B");
  EXPECT_EQ(os::stat(base_ + "/root/d/e").st_mode & 07777, 0700u);
  SourceTree source = tree();
  os::make_dirs(base_ + "/root/q/a.txt");
  EXPECT_THROW(copied("a.txt", "/q/"), Error);
}

}  // namespace
}  // namespace proa::build
