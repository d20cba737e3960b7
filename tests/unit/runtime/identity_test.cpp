#include "libcommon/runtime/identity.h"

#include <gtest/gtest.h>

#include "libcommon/base/error.h"

namespace proa::runtime {
namespace {

constexpr const char* kPasswd =
    "root:x:0:0:root:/root:/bin/sh\nann:x:1000:100::/home/ann:/bin/sh\n4294967296:x:0:0::/:/bin/"
    "sh\n99999999999999999999:x:0:0::/:\n"
    "2147483648:x:0:0::/:\nrelative:x:1001:1001::home:\nbroken:x:abc:0::/:\nmax:x:4294967295:0::/:\n";
constexpr const char* kGroup = "root:x:0:\nusers:x:100:\nstaff:x:50:ann,bob\nwheel:x:10:bob\n";

Identity resolve(std::string_view user, const std::vector<std::string>& add = {}) {
  return resolve_identity(user, add, kPasswd, kGroup);
}

TEST(ResolveIdentity, NamesAndNumbersInEveryMix) {
  EXPECT_EQ(resolve("").uid, 0U);
  EXPECT_EQ(resolve("").home, "/root");
  auto ann = resolve("ann");
  EXPECT_EQ(ann.uid, 1000U);
  EXPECT_EQ(ann.gid, 100U);
  EXPECT_EQ(ann.home, "/home/ann");
  EXPECT_EQ(ann.groups, (std::vector<std::uint32_t>{100, 50}));
  EXPECT_EQ(resolve("1000").gid, 100U);
  EXPECT_EQ(resolve("1000").name, "ann");
  EXPECT_EQ(resolve("ann:staff").gid, 50U);
  EXPECT_EQ(resolve("ann:staff").groups, (std::vector<std::uint32_t>{50}));
  EXPECT_EQ(resolve("ann:7").gid, 7U);
  EXPECT_EQ(resolve("4000:users").gid, 100U);
  EXPECT_EQ(resolve("4000").gid, 0U);
  EXPECT_EQ(resolve("4000").home, "/");
  EXPECT_EQ(resolve(":50").uid, 0U);
  EXPECT_EQ(resolve("relative").home, "/");
}

TEST(ResolveIdentity, PrimaryGroupIsAlwaysInTheList) {
  EXPECT_EQ(resolve("5:6").groups, (std::vector<std::uint32_t>{6}));
  EXPECT_EQ(resolve("5:6", {"staff", "77", "6"}).groups, (std::vector<std::uint32_t>{6, 50, 77}));
}

TEST(ResolveIdentity, DigitsAreNumbersWithinRangeAndNeverNames) {
  EXPECT_EQ(resolve("2147483648").uid, 2147483648U);  // not the passwd line of that name, which is uid 0
  EXPECT_EQ(resolve("4294967294").uid, 4294967294U);
  for (const char* user : {"4294967295", "4294967296", "99999999999999999999", "0:4294967295", "0:99999999999", "-1",
                           "+1", "1 ", "0x10"}) {
    EXPECT_THROW(resolve(user), Error) << user;
  }
  EXPECT_THROW(resolve("0", {"4294967295"}), Error);
}

TEST(ResolveIdentity, UnknownNamesAndBrokenLinesFail) {
  for (const char* user : {"nobody", "broken", "max", "ann:nogroup", "root\n", "../x"})
    EXPECT_THROW(resolve(user), Error) << user;
}

TEST(ResolveIdentity, OverlongLinesAreNoEntries) {
  std::string passwd = "ann:x:0:0:" + std::string(100000, 'a') + ":/:\nann:x:5:5::/:\n";
  EXPECT_EQ(resolve_identity("ann", {}, passwd, "").uid, 5U);
}

}  // namespace
}  // namespace proa::runtime
