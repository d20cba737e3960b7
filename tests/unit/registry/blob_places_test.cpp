#include "libcommon/registry/blob_places.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "libcommon/io/digest_stream.h"
#include "tests/support/environment.h"

namespace proa::registry {
namespace {

using Names = std::vector<std::string>;

const auto kBlob = io::digest_of(std::string("blob"));

class BlobPlacesTest : public ::testing::Test {
 protected:
  std::string folder() const { return home.path("places"); }
  Names found(const std::string& repository = "mine", const std::string& host = "a.example:5000") const {
    return BlobPlaces(folder()).find(host, kBlob, repository);
  }
  testing::TempDir home;
};

TEST_F(BlobPlacesTest, AreRememberedNewestFirst) {
  BlobPlaces places(folder());
  for (const auto* name : {"one", "two/three", "mine", "one"}) places.remember("a.example:5000", kBlob, name);
  EXPECT_EQ(found(), (Names{"two/three", "one"}));
  EXPECT_EQ(places.find("a.example:5000", kBlob, "two/three"), (Names{"mine", "one"}));
  EXPECT_TRUE(found("mine", "b.example").empty());
  places.forget("a.example:5000", kBlob, "one");
  EXPECT_EQ(found(), Names{"two/three"});
  EXPECT_EQ(std::filesystem::status(folder()).permissions(), std::filesystem::perms::owner_all);
}

TEST_F(BlobPlacesTest, WhatACrashLeavesIsPassedOver) {
  BlobPlaces(folder()).remember("a.example:5000", kBlob, "one");
  const std::string file = "places/a.example%3A5000";
  for (const auto* rest : {"sha256:12", "\x00\xff\n", "sha256:12 x\n"}) {
    home.write(file, home.read(file) + rest);
    EXPECT_EQ(found(), Names{"one"});
  }
  home.write(file, home.read(file) + kBlob.str());
  BlobPlaces(folder()).remember("a.example:5000", kBlob, "two");
  EXPECT_EQ(found(), (Names{"two", "one"}));
  // Nothing that is no name of a repository gets into a request.
  home.write(file, kBlob.str() + " ../x?y=\n" + kBlob.str() + " A b\n");
  EXPECT_TRUE(found().empty());
}

TEST_F(BlobPlacesTest, AreBounded) {
  BlobPlaces(folder()).remember("a.example:5000", kBlob, "one");
  const std::string file = "places/a.example%3A5000";
  std::string many;
  for (int i = 0; many.size() < BlobPlaces::kMaxFile; ++i)
    many += io::digest_of(std::to_string(i)).str() + " some/repository\n";
  home.write(file, many);
  BlobPlaces(folder()).remember("a.example:5000", kBlob, "new");
  EXPECT_LT(home.read(file).size(), BlobPlaces::kMaxFile / 2 + 200);
  EXPECT_EQ(found(), Names{"new"});
  home.write(file, many + many + many);
  EXPECT_TRUE(found().empty());
  BlobPlaces(folder()).remember("a.example:5000", kBlob, "again");
  EXPECT_LT(home.read(file).size(), BlobPlaces::kMaxFile);
}

TEST_F(BlobPlacesTest, FolderThatCannotBeWrittenIsNoError) {
  home.write("places", "a file");
  BlobPlaces places(folder());
  places.remember("a.example", kBlob, "one");
  EXPECT_EQ(places.find("a.example", kBlob, "two"), Names{"one"});  // in this run
  EXPECT_TRUE(found("mine", "a.example").empty());
}

}  // namespace
}  // namespace proa::registry
