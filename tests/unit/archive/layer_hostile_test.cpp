// Layers that try to leave their root: docs/security.md, "Archives". The fixture checks the tree outside after each.
#include <sys/resource.h>

#include "tests/unit/archive/layer_fixture.h"

namespace proa::archive {
namespace {

using proa::testing::TarBuilder;
using ::testing::HasSubstr;

using Hostile = LayerTest;

TEST_F(Hostile, DotDotInNamesIsRefused) {
  for (std::string name : {"../escaped", "a/../../escaped", "..", "a/..", "./../x", "/../x", "a/b/../c"}) {
    EXPECT_THAT(refusal(TarBuilder().file(name).str()), HasSubstr("'..'")) << name;
    EXPECT_THAT(refusal(TarBuilder().file("f").hard_link("h", name).str()), HasSubstr("'..'")) << name;
  }
  EXPECT_FALSE(std::filesystem::exists(temp_.path("escaped")));
}

TEST_F(Hostile, FilesThroughLinksStayInside) {
  const std::string up = "../../../../../../../../../../.." + canary();
  for (const std::string& target :
       {canary(), up, canary() + "/", canary() + "/.", "//" + canary(), std::string("../canary")}) {
    std::filesystem::remove_all(root());
    std::filesystem::create_directory(root());
    apply(TarBuilder()
              .symlink("s", target)
              .file("s/f", "through")
              .dir("s/newdir")
              .symlink("s/l", "x")
              .file("s/victim", "bad")
              .str());
    // The link was followed as it would be for somebody whose root this is.
    EXPECT_TRUE(S_ISLNK(info("s").st_mode));
    EXPECT_EQ(read(target == "../canary" ? "canary/f" : canary().substr(1) + "/f"), "through");
  }
}

TEST_F(Hostile, LinksOfAnEarlierLayerStayInside) {
  options_.whiteouts = WhiteoutStyle::Merge;
  apply(TarBuilder().symlink("s", canary()).symlink("chain", "s").str());
  apply(TarBuilder().file("s/f").file("chain/g").file("s/.wh.victim").file("chain/d/.wh..wh..opq").str());
  apply(TarBuilder().file("s/.wh..wh..opq").str());
}

TEST_F(Hostile, LastComponentIsNeverFollowed) {
  apply(TarBuilder().symlink("s", canary("victim")).file("s", "new").str());
  EXPECT_TRUE(S_ISREG(info("s").st_mode));
  apply(TarBuilder().symlink("t", canary("victim")).symlink("t", "other").str());
  apply(TarBuilder().symlink("u", canary("victim")).file("x").hard_link("u", "x").str());
  apply(TarBuilder().symlink("v", canary("victim")).add({.name = "v", .type = '6'}).str());
}

TEST_F(Hostile, AttributesNeverGoThroughLinks) {
  // In one layer, and across two.
  apply(TarBuilder().symlink("s", canary("d")).dir("s", 0777).str());
  EXPECT_TRUE(S_ISDIR(info("s").st_mode));
  apply(TarBuilder().symlink("t", canary("d")).str());
  apply(TarBuilder().dir("t/", 0777).str());
  EXPECT_EQ(info("t").st_mode & 07777, 0777u);
}

TEST_F(Hostile, TimesOfDirectoriesDoNotFollowWhatReplacedThem) {
  apply(TarBuilder().dir("d", 0700).dir("d/sub").symlink("d", canary("d")).str());
  EXPECT_TRUE(S_ISLNK(info("d").st_mode));
}

TEST_F(Hostile, TheRootIsADirectoryAndStays) {
  for (std::string name : {".", "./", "/", "//", "/."}) {
    EXPECT_THAT(refusal(TarBuilder().symlink(name, canary()).str()), HasSubstr("root")) << name;
    EXPECT_THAT(refusal(TarBuilder().file("f").hard_link(name, "f").str()), HasSubstr("root")) << name;
    if (name.ends_with('/')) continue;
    EXPECT_THAT(refusal(TarBuilder().file(name).str()), HasSubstr("root")) << name;
  }
  apply(TarBuilder().dir("./", 0711).str());
  EXPECT_EQ(info("").st_mode & 07777, 0711u);
}

TEST_F(Hostile, HardLinksStayInTheirRoot) {
  EXPECT_THAT(refusal(TarBuilder().hard_link("h", canary("victim")).str()), HasSubstr("does not have"));
  EXPECT_THAT(refusal(TarBuilder().symlink("s", canary()).hard_link("h", "s/victim").str()),
              HasSubstr("does not have"));
  EXPECT_THAT(refusal(TarBuilder().hard_link("h", "no/such").str()), HasSubstr("does not have"));
  EXPECT_THAT(refusal(TarBuilder().dir("d").hard_link("h", "d").str()), HasSubstr("does not have"));
  EXPECT_THAT(refusal(TarBuilder().hard_link("h", ".").str()), HasSubstr("does not have"));
  // A link to a link is one more name of the link, and writing over it leaves what it points to alone.
  apply(TarBuilder().symlink("l", canary("victim")).hard_link("h", "l").file("h", "overwritten").str());
  EXPECT_TRUE(S_ISLNK(info("l").st_mode));
  EXPECT_TRUE(S_ISREG(info("h").st_mode));
}

TEST_F(Hostile, HardLinkToAWhiteoutIsRefused) {
  EXPECT_THAT(refusal(TarBuilder().file(".wh.gone").hard_link("h", "gone").str()), HasSubstr("does not have"));
}

TEST_F(Hostile, WhiteoutsOfNoOrdinaryName) {
  for (std::string name : {".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh..."}) {
    EXPECT_THAT(refusal(TarBuilder().dir("d").file(name).str()), HasSubstr("no name")) << name;
  }
  EXPECT_THAT(refusal(TarBuilder().file("../.wh.victim").str()), HasSubstr("'..'"));
  EXPECT_THAT(refusal(TarBuilder().file(".wh.a/b").str()), HasSubstr("whiteout"));
}

TEST_F(Hostile, ReservedNamesAreLeftOut) {
  apply(TarBuilder().dir(".wh..wh.plnk").file(".wh..wh.plnk/1.2").file(".wh..wh.aufs").file("kept").str());
  EXPECT_EQ(proa::testing::describe_tree(root()).size(), 2u);
}

TEST_F(Hostile, WhiteoutsThroughLinks) {
  for (auto style : {WhiteoutStyle::OverlayUser, WhiteoutStyle::Merge}) {
    options_.whiteouts = style;
    apply(TarBuilder().symlink("s", canary()).file("s/.wh.victim").file("s/.wh..wh..opq").file("s/d/.wh.sub").str());
  }
}

TEST_F(Hostile, LoopsOfLinksEnd) {
  EXPECT_NE(refusal(TarBuilder().symlink("a", "b").symlink("b", "a").file("a/f").str(), ErrorCode::Io), "");
  EXPECT_NE(refusal(TarBuilder().symlink("c", "c/c").file("c/f").str(), ErrorCode::Io), "");
}

TEST_F(Hostile, OverlayMetadataIsDropped) {
  auto result = apply(TarBuilder()
                          .add({.name = "d/",
                                .type = '5',
                                .mode = 0755,
                                .pax = {{"SCHILY.xattr.user.overlay.opaque", "y"},
                                        {"SCHILY.xattr.trusted.overlay.opaque", "y"},
                                        {"SCHILY.xattr.user.fuseoverlayfs.opaque", "y"},
                                        {"SCHILY.xattr.user.containers.override_stat", "0:0:0"},
                                        {"SCHILY.xattr.user.proa.owner", "1:1"},
                                        {"SCHILY.xattr.security.selinux", "x"},
                                        {"SCHILY.xattr.user.", "empty"},
                                        {"SCHILY.xattr.user.mine", "kept"}}})
                          .add({.name = "null0", .type = '3', .dev_major = 0, .dev_minor = 0})
                          .add({.name = "f",
                                .pax = {{"SCHILY.xattr.user.proa.device", "c:1:3"},
                                        {"SCHILY.xattr.user.overlay.metacopy", ""},
                                        {"SCHILY.xattr.user.overlay.redirect", "/etc"}}})
                          .str());
  EXPECT_EQ(result.dropped_xattrs, 10u);
  EXPECT_EQ(result.dropped_devices, 1u);
  EXPECT_EQ(xattr("d", "user.overlay.opaque"), std::nullopt);
  EXPECT_EQ(xattr("d", "user.proa.owner"), std::nullopt);
  EXPECT_EQ(xattr("d", "user.mine"), "kept");
  EXPECT_EQ(xattr("f", "user.proa.device"), std::nullopt);
  EXPECT_EQ(xattr("f", "user.overlay.redirect"), std::nullopt);
  EXPECT_FALSE(exists("null0"));
}

TEST_F(Hostile, OwnersThatAreNone) {
  EXPECT_THAT(refusal(TarBuilder().add({.name = "f", .uid = 4294967295}).str()), HasSubstr("4294967295"));
  EXPECT_THAT(refusal(TarBuilder().add({.name = "f", .gid = 4294967295}).str()), HasSubstr("4294967295"));
  const auto beyond = *entered_mode() == os::IdMode::Single ? ErrorCode::Corrupt : ErrorCode::Unsupported;
  EXPECT_THAT(refusal(TarBuilder().add({.name = "f", .pax = {{"uid", "4294967296"}}}).str(), beyond),
              HasSubstr("4294967296"));
}

TEST_F(Hostile, OwnersBeyondTheMapNameTheRange) {
  if (*entered_mode() != os::IdMode::Full) GTEST_SKIP() << "needs ranges of subordinate ids";
  auto text = refusal(TarBuilder().add({.name = "f", .uid = 2147483646}).str(), ErrorCode::Unsupported);
  EXPECT_THAT(text, HasSubstr("uid 2147483646"));
  EXPECT_THAT(text, HasSubstr(".."));
  EXPECT_THAT(text, HasSubstr("/etc/subuid"));
}

TEST_F(Hostile, NamesHaveCeilings) {
  EXPECT_NE(refusal(TarBuilder().add({.name = "x", .pax = {{"path", std::string(256, 'n')}}}).str(),
                    ErrorCode::LimitExceeded),
            "");
  std::string deep, deeper;
  for (int i = 0; i < 600; ++i) deep += "d/";
  for (int i = 0; i < 3000; ++i) deeper += "d/";
  EXPECT_NE(refusal(TarBuilder().add({.name = "x", .pax = {{"path", deeper + "f"}}}).str(), ErrorCode::LimitExceeded),
            "");
  apply(TarBuilder().add({.name = "x", .pax = {{"path", deep + "f"}}}).str());
  // As deep as it may be, and with few descriptors: it can be read again, and removed.
  struct rlimit few {
  }, before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  few = before;
  few.rlim_cur = 200;
  ::setrlimit(RLIMIT_NOFILE, &few);
  EXPECT_GT(make().size(), 600u * 512);
  options_.whiteouts = WhiteoutStyle::Merge;
  apply(TarBuilder().file(".wh.d").str());
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_FALSE(exists("d"));
}

TEST_F(Hostile, HugeSparseFilesAreRefusedAndCostNothing) {
  auto sparse = [](const std::string& size) {
    std::string map = "0\n";
    map.resize(512, '\0');
    return TarBuilder()
        .add({.name = "x",
              .content = map,
              .pax = {{"GNU.sparse.major", "1"},
                      {"GNU.sparse.minor", "0"},
                      {"GNU.sparse.name", "big"},
                      {"GNU.sparse.realsize", size}}})
        .str();
  };
  EXPECT_THAT(refusal(sparse("9223372036854775807"), ErrorCode::LimitExceeded), HasSubstr("free space"));
  EXPECT_THAT(refusal(sparse("10995116277760000"), ErrorCode::LimitExceeded), HasSubstr("free space"));
  EXPECT_FALSE(exists("big"));
  apply(sparse("1073741824"));
  EXPECT_EQ(info("big").st_size, 1 << 30);
  EXPECT_LT(info("big").st_blocks, 64);
}

TEST_F(Hostile, TheReserveOfTheDiskIsKept) {
  options_.free_space_reserve = std::uint64_t{1} << 60;
  auto result = refusal(TarBuilder().file("big", std::string(40 << 20, 'x')).str(), ErrorCode::NoSpace);
  EXPECT_THAT(result, HasSubstr("hint"));
  // Entries without content use it up as well.
  TarBuilder many;
  for (int i = 0; i < 5000; ++i) many.file("same", "");
  refusal(many.str(), ErrorCode::NoSpace);
}

TEST_F(Hostile, MessagesAreEscaped) {
  auto text = refusal(TarBuilder().add({.name = "\x1b[31m", .uid = 4294967295}).str());
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_THAT(text, HasSubstr("\\x1b"));
}

TEST_F(Hostile, AFifoIsNeverOpened) {
  options_.whiteouts = WhiteoutStyle::Merge;
  apply(TarBuilder().add({.name = "p", .type = '6'}).str());
  apply(TarBuilder().file("p", "written over a fifo").str());
  EXPECT_EQ(read("p"), "written over a fifo");
}

}  // namespace
}  // namespace proa::archive
