// What is decided about a process before it is started.
#include "libcommon/runtime/process_setup.h"

#include <gtest/gtest.h>

#include "libcommon/base/error.h"

namespace proa::runtime {
namespace {

TEST(PrepareProcess, NotificationsAreRefused) {
  oci::RuntimeProcess process;
  process.args = {"true"};
  oci::SeccompProfile profile;
  profile.default_action = "SCMP_ACT_ALLOW";
  EXPECT_NO_THROW(prepare_process(process, profile, SingleId::No, ""));
  profile.syscalls.push_back({{"mount"}, "SCMP_ACT_NOTIFY", {}, {}});
  EXPECT_THROW(prepare_process(process, profile, SingleId::No, ""), Error);
  profile.syscalls.clear();
  profile.default_action = "SCMP_ACT_NOTIFY";
  EXPECT_THROW(prepare_process(process, profile, SingleId::No, ""), Error);
}

}  // namespace
}  // namespace proa::runtime
