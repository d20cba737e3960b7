#include "libcommon/os/namespace_limits.h"

#include <gmock/gmock.h>

#include <cerrno>

namespace proa::os {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

NamespaceLimits usual() {
  NamespaceLimits limits;
  limits.max_user = 15000;
  return limits;
}

TEST(UserNamespaceRefused, NeverSpeaksOfTheDisk) {
  for (const int error : {ENOSPC, EUSERS}) {
    NamespaceLimits limits = usual();
    EXPECT_THAT(user_namespace_refused(error, limits).text(), HasSubstr("no more user namespaces are allowed"));
    EXPECT_THAT(user_namespace_refused(error, limits).text(), HasSubstr("15000"));
    limits.max_user = 0;
    const Error off = user_namespace_refused(error, limits);
    EXPECT_THAT(off.text(), HasSubstr("switched off: the sysctl user.max_user_namespaces is 0"));
    EXPECT_THAT(off.text(), Not(HasSubstr("space left")));
    EXPECT_THAT(off.hint(), HasSubstr("sysctl user.max_user_namespaces="));
    EXPECT_EQ(off.error_number(), error);
  }
}

TEST(UserNamespaceRefused, NamesTheOtherLimitAtZero) {
  NamespaceLimits limits = usual();
  limits.others_at_zero = {"user.max_mnt_namespaces"};
  EXPECT_THAT(user_namespace_refused(ENOSPC, limits).text(), HasSubstr("user.max_mnt_namespaces is 0"));
  EXPECT_THAT(namespaces_refused("clone", ENOSPC, limits).text(), HasSubstr("user.max_mnt_namespaces is 0"));
  EXPECT_THAT(namespaces_refused("clone", ENOSPC, usual()).text(), HasSubstr("No space left"));
}

TEST(UserNamespaceRefused, NamesWhoForbidsThem) {
  NamespaceLimits limits = usual();
  EXPECT_THAT(user_namespace_refused(EPERM, limits).text(), HasSubstr("Operation not permitted"));
  limits.seccomp = true;
  EXPECT_THAT(user_namespace_refused(EPERM, limits).text(), HasSubstr("system call filter"));
  limits.chroot = true;
  EXPECT_THAT(user_namespace_refused(EPERM, limits).text(), HasSubstr("chroot"));
  limits.apparmor = 1;
  EXPECT_THAT(user_namespace_refused(EPERM, limits).text(), HasSubstr("kernel.apparmor_restrict_unprivileged_userns"));
  limits.unprivileged = 0;
  EXPECT_THAT(user_namespace_refused(EPERM, limits).text(), HasSubstr("kernel.unprivileged_userns_clone is 0"));
  EXPECT_THAT(user_namespace_refused(EPERM, limits).hint(), HasSubstr("kernel.unprivileged_userns_clone=1"));
}

TEST(UserNamespaceRefused, KnowsKernelsWithoutThem) {
  EXPECT_THAT(user_namespace_refused(EINVAL, usual()).text(), HasSubstr("CONFIG_USER_NS"));
}

}  // namespace
}  // namespace proa::os
