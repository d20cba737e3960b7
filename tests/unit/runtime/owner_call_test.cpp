// Calls of the chown family as a filter reports them, on every machine that may make them.
#include "libcommon/runtime/owner_call.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>

#if defined(__x86_64__)

namespace proa::runtime {
namespace {

constexpr int kX32 = 0x40000000;
constexpr int k386Chown = 182, k386Chown32 = 212, k386Fchown32 = 207, k386Fchownat = 298;
constexpr std::uint64_t kMinusOne = 0xffffffffffffffff;

OwnerCall decode(std::uint32_t arch, int number, std::array<std::uint64_t, 5> arguments) {
  seccomp_data data{};
  data.arch = arch;
  data.nr = number;
  std::copy(arguments.begin(), arguments.end(), data.args);
  auto call = decode_owner_call(data);
  EXPECT_TRUE(call.has_value()) << number;
  return call.value_or(OwnerCall{});
}

TEST(OwnerCall, TheFourFormsAreUnderstood) {
  auto chown = decode(AUDIT_ARCH_X86_64, SYS_chown, {4096, 5, 6});
  EXPECT_EQ(chown.path, 4096U);
  EXPECT_TRUE(chown.follow);
  EXPECT_FALSE(chown.fd);
  EXPECT_EQ(owner_after(chown, {1, 2}), (os::FileOwner{5, 6}));
  EXPECT_FALSE(decode(AUDIT_ARCH_X86_64, SYS_lchown, {4096, 5, 6}).follow);
  auto fchown = decode(AUDIT_ARCH_X86_64, SYS_fchown, {7, kMinusOne, 6});
  EXPECT_EQ(fchown.path, 0U);
  EXPECT_EQ(fchown.fd, 7);
  EXPECT_EQ(owner_after(fchown, {1, 2}), (os::FileOwner{1, 6}));
  auto at = decode(AUDIT_ARCH_X86_64, SYS_fchownat, {3, 4096, 5, kMinusOne, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH});
  EXPECT_EQ(at.fd, 3);
  EXPECT_FALSE(at.follow);
  EXPECT_TRUE(at.empty_is_fd);
  EXPECT_TRUE(at.valid);
  EXPECT_EQ(owner_after(at, {1, 2}), (os::FileOwner{5, 2}));
  EXPECT_FALSE(decode(AUDIT_ARCH_X86_64, SYS_fchownat, {0xffffff9c, 4096, 5, 6, 0}).fd);
  EXPECT_FALSE(decode(AUDIT_ARCH_X86_64, SYS_fchownat, {3, 4096, 5, 6, 0x8000}).valid);
}

TEST(OwnerCall, TheAddressZeroIsNotTheDescriptor) {
  EXPECT_NE(decode(AUDIT_ARCH_X86_64, SYS_chown, {0, 5, 6}).path, 0U);
}

TEST(OwnerCall, OtherArchitecturesHaveTheirNumbersAndWidths) {
  EXPECT_EQ(decode(AUDIT_ARCH_X86_64, SYS_chown | kX32, {4096, 5, 6}).uid, 5U);
  EXPECT_EQ(decode(AUDIT_ARCH_I386, k386Chown32, {4096, 70000, 6}).uid, 70000U);
  auto narrow = decode(AUDIT_ARCH_I386, k386Chown, {4096, 0xffff, 6});
  EXPECT_EQ(owner_after(narrow, {1, 2}), (os::FileOwner{1, 6}));
  EXPECT_EQ(owner_after(decode(AUDIT_ARCH_I386, k386Fchown32, {4, 0xffff, 6}), {1, 2}), (os::FileOwner{0xffff, 6}));
  EXPECT_EQ(decode(AUDIT_ARCH_I386, k386Fchownat, {0xffffff9c, 4096, 5, 6, 0}).path, 4096U);
}

TEST(OwnerCall, OthersAreNone) {
  seccomp_data data{};
  data.arch = AUDIT_ARCH_X86_64;
  data.nr = SYS_chmod;
  EXPECT_FALSE(decode_owner_call(data));
  data.nr = 99999;
  EXPECT_FALSE(decode_owner_call(data));
}

}  // namespace
}  // namespace proa::runtime

#endif
