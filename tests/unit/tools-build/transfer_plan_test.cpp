#include "tools/build/graph/transfer_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libcommon/base/error.h"
#include "tools/build/containerfile/stages.h"

namespace proa::build {
namespace {

using ::testing::ElementsAre;

class Transfers : public ::testing::Test {
 protected:
  TransferPlan plan(const std::string& line) {
    StageState state{{}, Scope(args_, none_, none_, '\\')};
    state.config.working_dir = "/work";
    state.config.env = {"F=file", "D=/dst/"};
    Containerfile file = parse_containerfile("FROM scratch\n" + line + "\n");
    return plan_transfer(std::get<Transfer>(file.stages[0].instructions.at(0).meaning), state);
  }

  BuildArgs args_{Variables{}};
  Variables none_;
};

TEST_F(Transfers, VariablesAreFilledIn) {
  TransferPlan copy = plan("COPY --chown=$F $F x $D");
  EXPECT_THAT(copy.sources, ElementsAre("file", "x"));
  EXPECT_EQ(copy.destination, "/dst");
  EXPECT_TRUE(copy.into_folder);
  EXPECT_EQ(copy.chown, "file");
  EXPECT_EQ(plan("COPY a b").destination, "/work/b");
}

TEST_F(Transfers, AddSortsItsSources) {
  TransferPlan add = plan("ADD local https://h/x.tar https://h/repo.git#v1:sub git@h:r.git /d/");
  EXPECT_THAT(add.sources, ElementsAre("local"));
  EXPECT_THAT(add.urls, ElementsAre("https://h/x.tar"));
  ASSERT_EQ(add.repositories.size(), 2u);
  EXPECT_EQ(add.repositories[0].subdir, "sub");
  EXPECT_TRUE(add.unpacks(false));
  EXPECT_FALSE(add.unpacks(true)) << "what was fetched is not unpacked unless that is asked for";
  EXPECT_TRUE(plan("ADD --unpack https://h/x.tar /d").unpacks(true));
  EXPECT_TRUE(plan("COPY https://h/x /d").urls.empty());
}

TEST_F(Transfers, WhatCannotBeIsRefused) {
  EXPECT_THROW(plan("COPY a b c"), Error);
  EXPECT_THROW(plan("COPY a $NONE"), Error);
  EXPECT_THROW(plan("COPY --chmod=u~x a b"), Error);
  EXPECT_THROW(plan("ADD --checksum=sha256:1 https://h/x /d"), Error);
  EXPECT_THROW(plan("ADD --checksum=sha256:"
                    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 local /d"),
               Error);
}

TEST_F(Transfers, CredentialsStayOutOfTheHistory) {
  std::string text = plan("ADD https://user:pw@h/x /d").history({.destination = "/d"});
  EXPECT_EQ(text, "ADD https://h/x /d");
}

TEST(Pivot, TellsHowMuchOfAPathIsLeftOut) {
  EXPECT_EQ(pivot_depth("a/b/c"), 0u);
  EXPECT_EQ(pivot_depth("a/b/./c"), 2u);
  EXPECT_EQ(pivot_depth("./a"), 0u);
}

mode_t changed(const char* text, mode_t mode, bool folder = false) {
  return ModeChange::parse(text).apply(mode, folder);
}

TEST(Mode, OctalAndSymbolic) {
  EXPECT_EQ(changed("755", 0600), 0755u);
  EXPECT_EQ(changed("u=rwX,go=rX", 0600), 0644u);
  EXPECT_EQ(changed("u=rwX,go=rX", 0700), 0755u);
  EXPECT_EQ(changed("u=rwX,go=rX", 0600, true), 0755u);
  EXPECT_EQ(changed("+x", 0644), 0755u);
  EXPECT_EQ(changed("a-w", 0666), 0444u);
  EXPECT_EQ(changed("g=u", 0640), 0660u);
  EXPECT_EQ(changed("u+s", 0755), 04755u);
  EXPECT_EQ(changed("+t", 0777), 01777u);
  EXPECT_EQ(changed("go-rwx,u+x", 0644), 0700u);
  for (const char* bad : {"", "8", "77777", "u", "u~r", "z+r", "u+q", "+x,"}) {
    EXPECT_THROW(ModeChange::parse(bad), Error) << bad;
  }
}

}  // namespace
}  // namespace proa::build
