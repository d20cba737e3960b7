#include "libcommon/os/idmap.h"

#include <gtest/gtest.h>

namespace proa::os {
namespace {

IdFacts ordinary_user() {
  IdFacts facts;
  facts.uid = 1000;
  facts.gid = 100;
  facts.current_uids = facts.current_gids = {{0, 0, 4294967295U}};
  facts.subordinate_uids = {{100000, 65536}};
  facts.subordinate_gids = {{200000, 65536}, {500000, 10}};
  facts.newuidmap = "/usr/bin/newuidmap";
  facts.newgidmap = "/usr/bin/newgidmap";
  facts.user_name = "ann";
  return facts;
}

TEST(PlanUserNamespace, FullRangesBeginAfterTheOwnId) {
  auto plan = plan_user_namespace(ordinary_user());
  EXPECT_EQ(plan.mode, IdMode::Full);
  EXPECT_EQ(plan.uids, (IdMap{{0, 1000, 1}, {1, 100000, 65536}}));
  EXPECT_EQ(plan.gids, (IdMap{{0, 100, 1}, {1, 200000, 65536}, {65537, 500000, 10}}));
  EXPECT_TRUE(plan.reason.empty());
}

TEST(PlanUserNamespace, WithoutRangesOrHelpersOneIdIsMappedAndSaid) {
  for (int missing = 0; missing < 4; ++missing) {
    auto facts = ordinary_user();
    if (missing == 0) facts.subordinate_uids.clear();
    if (missing == 1) facts.subordinate_gids.clear();
    if (missing == 2) facts.newuidmap.reset();
    if (missing == 3) facts.newgidmap.reset();
    auto plan = plan_user_namespace(facts);
    EXPECT_EQ(plan.mode, IdMode::Single);
    EXPECT_EQ(plan.uids, (IdMap{{0, 1000, 1}}));
    EXPECT_EQ(plan.gids, (IdMap{{0, 100, 1}}));
    EXPECT_FALSE(plan.reason.empty());
    EXPECT_EQ(plan.hint.find("usermod") != std::string::npos, missing < 2) << plan.hint;
    EXPECT_EQ(plan.hint.find("install") != std::string::npos, missing >= 2) << plan.hint;
  }
}

TEST(PlanUserNamespace, TheHintOffersIdsThatNobodyHas) {
  auto facts = ordinary_user();
  facts.subordinate_uids.clear();
  facts.taken = {{165536, 65536}, {100000, 65536}, {231072, 10}, {1000, 1}};
  EXPECT_EQ(plan_user_namespace(facts).hint, "for full id ranges run as root: usermod --add-subuids 231082-296617 ann");
  facts.subordinate_gids.clear();
  facts.newuidmap.reset();
  facts.taken = {{150000, 5}};
  EXPECT_EQ(plan_user_namespace(facts).hint,
            "for full id ranges install the package uidmap and run as root: usermod --add-subuids 150005-215540 "
            "--add-subgids 150005-215540 ann");
}

TEST(FirstFreeRange, IsWhereNothingOverlaps) {
  EXPECT_EQ(first_free_range({}, 65536), 100000U);
  EXPECT_EQ(first_free_range({{99999, 1}, {165536, 1}}, 65536), 100000U);
  EXPECT_EQ(first_free_range({{99999, 2}}, 65536), 100001U);
  EXPECT_EQ(first_free_range({{0, 4294967295U}}, 65536), std::nullopt);
  EXPECT_EQ(first_free_range({{100000, 4294967295U}}, 65536), std::nullopt);
}

TEST(PlanUserNamespace, RootNeedsNone) {
  auto facts = ordinary_user();
  facts.uid = facts.gid = 0;
  facts.can_mount = true;
  auto plan = plan_user_namespace(facts);
  EXPECT_EQ(plan.mode, IdMode::Root);
  EXPECT_TRUE(plan.already_inside);
}

TEST(PlanUserNamespace, RootOfAUserNamespaceKnowsItsRange) {
  auto facts = ordinary_user();
  facts.uid = facts.gid = 0;
  facts.can_mount = facts.in_user_namespace = true;
  facts.current_uids = facts.current_gids = {{0, 1000, 1}, {1, 100000, 65536}};
  EXPECT_EQ(plan_user_namespace(facts).mode, IdMode::Full);
  facts.current_gids = {{0, 1000, 1}};
  EXPECT_EQ(plan_user_namespace(facts).mode, IdMode::Single);
  EXPECT_TRUE(plan_user_namespace(facts).already_inside);
}

TEST(PlanUserNamespace, RootWithoutRightsIsTreatedAsAnOrdinaryUser) {
  auto facts = ordinary_user();
  facts.uid = facts.gid = 0;
  facts.subordinate_uids.clear();
  EXPECT_EQ(plan_user_namespace(facts).mode, IdMode::Single);
}

TEST(IdMap, TranslatesBothWays) {
  IdMap map{{0, 1000, 1}, {1, 100000, 65536}};
  EXPECT_EQ(id_to_inside(map, 1000), 0U);
  EXPECT_EQ(id_to_inside(map, 100032), 33U);
  EXPECT_EQ(id_to_inside(map, 165535), 65536U);
  EXPECT_EQ(id_to_inside(map, 165536), std::nullopt);
  EXPECT_EQ(id_to_inside(map, 0), std::nullopt);
  EXPECT_EQ(id_to_outside(map, 33), 100032U);
  EXPECT_EQ(id_to_outside(map, 65537), std::nullopt);
  EXPECT_EQ(id_map_size(map), 65537U);
  EXPECT_EQ(id_map_size({{0, 5, 1}, {2, 9, 1}}), 1U);
  EXPECT_EQ(format_id_map(map), "0 1000 1\n1 100000 65536\n");
}

}  // namespace
}  // namespace proa::os
