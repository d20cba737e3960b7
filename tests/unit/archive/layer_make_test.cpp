// From a tree to a layer and back.
#include "libcommon/archive/layer_make.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fstream>

#include "libcommon/archive/tar_reader.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/os/process.h"
#include "tests/unit/archive/layer_fixture.h"

namespace proa::archive {
namespace {

using proa::testing::TarBuilder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Make : public LayerTest {
 protected:
  // A layer with something of everything.
  std::string sample() const {
    const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    const bool full = options_.mode == os::IdMode::Full;
    TarBuilder tar;
    tar.dir("./", 0755)
        .dir("d", 02775)
        .add({.name = "d/f", .content = std::string(100'000, 'c'), .mode = 04755, .mtime = -315619200})
        .hard_link("d/g", "d/f")
        .add({.name = "owned", .mode = 0640, .uid = full ? 1000u : 0u, .gid = full ? 50u : 0u})
        .add({.name = "owneddir/", .type = '5', .mode = 01777, .uid = full ? 65534u : 0u})
        .symlink("s", std::string(90, 't'))
        .hard_link("s2", "s")
        .add({.name = "p", .type = '6', .mode = 0600})
        .add({.name = "null", .type = '3', .mode = 0666, .dev_major = 1, .dev_minor = 3})
        .add({.name = "cap",
              .mode = 0755,
              .pax = {{"SCHILY.xattr.security.capability", capability}, {"SCHILY.xattr.user.a", "b"}}})
        .dir("names")
        .dir("opaque")
        .add({.name = "x", .pax = {{"path", "names/" + std::string(255, 'n')}}})
        .add({.name = "x", .type = '2', .pax = {{"path", "names/latin1-\xe9"}, {"linkpath", std::string(1000, 't')}}})
        .file("names/new\nline")
        .file(".wh.gone")
        .file("opaque/.wh..wh..opq")
        .file("opaque/new")
        .file("zero", "");
    return tar.str();
  }
};

std::vector<std::string> names_of(const std::string& tar) {
  io::MemorySource source(tar);
  TarReader reader(source);
  std::vector<std::string> names;
  TarEntry entry;
  while (reader.next(entry)) names.push_back(entry.path);
  return names;
}

TEST_F(Make, RoundTripKeepsEveryAttribute) {
  apply(sample());
  auto before = proa::testing::describe_tree(root());
  EXPECT_TRUE(is_whiteout("gone"));
  before.erase("gone");  // its time means nothing
  auto tar = make({.root_entry = true});
  std::filesystem::rename(root(), temp_.path("first"));
  std::filesystem::create_directory(root());
  apply(tar);
  auto after = proa::testing::describe_tree(root());
  EXPECT_TRUE(is_whiteout("gone"));
  EXPECT_EQ(before.size() + 1, after.size());
  for (const auto& [path, text] : before) EXPECT_EQ(after[path], text) << path;
  EXPECT_EQ(io::digest_of(make({.root_entry = true})), io::digest_of(tar));
}

TEST_F(Make, TheOrderIsThatOfNamesAndMarksComeFirst) {
  apply(TarBuilder().file("b/2").file("b/.wh..wh..opq").file("a.x").file("a/1").file("b/.wh.0").file("Z").str());
  EXPECT_THAT(names_of(make()), ElementsAre("Z", "a/", "a/1", "a.x", "b/", "b/.wh..wh..opq", "b/.wh.0", "b/2"));
}

TEST_F(Make, TimesAreClamped) {
  apply(TarBuilder().add({.name = "new", .mtime = 2'000'000'000}).add({.name = "old", .mtime = 100}).str());
  io::MemorySource source(make({.clamp_mtime = 1'000'000'000}));
  TarReader reader(source);
  TarEntry entry;
  ASSERT_TRUE(reader.next(entry));
  EXPECT_EQ(entry.mtime, 1'000'000'000);
  ASSERT_TRUE(reader.next(entry));
  EXPECT_EQ(entry.mtime, 100);
}

TEST_F(Make, LargeHolesStayHoles) {
  int fd = ::open(root("big").c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(::ftruncate(fd, 1 << 30), 0);
  ASSERT_EQ(::pwrite(fd, "island", 6, 500 << 20), 6);
  ::close(fd);
  auto tar = make();
  EXPECT_LT(tar.size(), 1u << 20);
  std::filesystem::remove(root("big"));
  apply(tar);
  EXPECT_EQ(info("big").st_size, 1 << 30);
  EXPECT_LT(info("big").st_blocks, 1000);
  std::ifstream file(root("big"));
  file.seekg(500 << 20);
  std::string island(6, '\0');
  file.read(island.data(), 6);
  EXPECT_EQ(island, "island");
}

TEST_F(Make, WhatNoLayerCanHoldIsRefused) {
  apply(TarBuilder().dir("moved").file("partial").str());
  auto refused = [&] {
    try {
      make();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::Unsupported);
      return std::string(error.what());
    }
    return std::string("not refused");
  };
  ASSERT_EQ(::setxattr(root("moved").c_str(), "user.overlay.redirect", "/old", 4, 0), 0);
  EXPECT_THAT(refused(), HasSubstr("redirect"));
  ::removexattr(root("moved").c_str(), "user.overlay.redirect");
  ASSERT_EQ(::setxattr(root("partial").c_str(), "user.overlay.metacopy", "", 0, 0), 0);
  EXPECT_THAT(refused(), HasSubstr("metacopy"));
  ::removexattr(root("partial").c_str(), "user.overlay.metacopy");
  std::ofstream(root(".wh.file")) << "made in the container";
  EXPECT_THAT(refused(), HasSubstr(".wh."));
}

TEST_F(Make, OverlayBookkeepingAndSocketsAreLeftOut) {
  apply(TarBuilder().dir("d").file("f").str());
  for (const char* name : {"user.overlay.origin", "user.overlay.impure", "user.overlay.nlink", "user.overlay.uuid"}) {
    ASSERT_EQ(::setxattr(root("d").c_str(), name, "x", 1, 0), 0);
  }
  int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = "socket"};
  auto before = std::filesystem::current_path();
  std::filesystem::current_path(root());
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  std::filesystem::current_path(before);
  ::close(fd);
  io::StringSink out;
  auto result = make_layer(os::Dir::open(root()), out);
  EXPECT_EQ(result.skipped_sockets, 1u);
  EXPECT_EQ(result.entries, 2u);
  EXPECT_EQ(out.text().find("overlay"), std::string::npos);
}

// Other programs read what we write, and we read what they write.

TEST_F(Make, GnuTarAgrees) {
  if (!os::find_program("tar")) GTEST_SKIP() << "no tar";
  apply(sample());
  temp_.write("layer.tar", make());
  auto listed = os::run({.program = "tar",
                         .arguments = {"-tf", temp_.path("layer.tar"), "--quoting-style=literal"},
                         .environment = std::nullopt,
                         .working_directory = {},
                         .descriptors = {}});
  EXPECT_TRUE(listed.status.success()) << listed.err;
  for (const char* name : {"d/f", "owneddir/", "opaque/.wh..wh..opq", ".wh.gone"}) {
    EXPECT_THAT(listed.out, HasSubstr(name));
  }
  // The same tree, packed by GNU tar in each of its formats.
  std::filesystem::remove_all(root());
  std::filesystem::create_directory(root());
  apply(TarBuilder()
            .dir("./")
            .dir("d", 0751)
            .file("d/" + std::string(90, 'f'), "content")
            .symlink("d/s", "x")
            .add({.name = "x", .pax = {{"path", "l/" + std::string(200, 'n')}}})
            .dir("l")
            .add({.name = "h", .type = '1', .pax = {{"linkpath", "l/" + std::string(200, 'n')}}})
            .str());
  auto before = proa::testing::describe_tree(root());
  for (const char* format : {"gnu", "posix", "oldgnu"}) {
    auto packed = os::run({.program = "tar",
                           .arguments = {"-C", root(), "--numeric-owner", std::string("--format=") + format, "-cf",
                                         temp_.path("by-tar"), "."},
                           .environment = std::nullopt,
                           .working_directory = {},
                           .descriptors = {}});
    ASSERT_TRUE(packed.status.success()) << packed.err;
    std::filesystem::rename(root(), temp_.path(std::string("was-") + format));
    std::filesystem::create_directory(root());
    apply(temp_.read("by-tar"));
    EXPECT_EQ(proa::testing::describe_tree(root()), before) << format;
  }
}

}  // namespace
}  // namespace proa::archive
