#include "libcommon/runtime/mount_plan.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include "libcommon/base/error.h"

namespace proa::runtime {
namespace {

oci::RuntimeSpec with(oci::RuntimeMount mount) {
  oci::RuntimeSpec spec;
  spec.mounts.push_back(std::move(mount));
  for (const char* type : {"mount", "pid", "network", "ipc", "cgroup"}) spec.linux_.namespaces.push_back({type, {}});
  return spec;
}

MountStep plan(oci::RuntimeMount mount, const MountFacts& facts = {}) {
  return plan_mounts(with(std::move(mount)), facts).at(0);
}

TEST(PlanMounts, BindsAreByOptionOrType) {
  auto step = plan({"/data", "", "/src", {"rbind", "ro", "nosuid", "rslave"}, {}, {}});
  EXPECT_EQ(step.kind, MountStep::Kind::Bind);
  EXPECT_TRUE(step.recursive);
  EXPECT_EQ(step.set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
  EXPECT_EQ(step.propagation, static_cast<std::uint64_t>(MS_SLAVE));
  EXPECT_TRUE(step.propagation_recursive);
  EXPECT_FALSE(plan({"/data", "bind", "/src", {}, {}, {}}).recursive);
}

TEST(PlanMounts, LaterOptionsWin) {
  auto step = plan({"/d", "tmpfs", "tmpfs", {"ro", "rw", "noatime", "relatime", "size=4k", "mode=700"}, {}, {}});
  EXPECT_EQ(step.set & MOUNT_ATTR_RDONLY, 0U);
  EXPECT_EQ(step.set & MOUNT_ATTR__ATIME, static_cast<std::uint64_t>(MOUNT_ATTR_RELATIME));
  EXPECT_EQ(step.parameters, (os::MountParameters{{"size", "4k"}, {"mode", "700"}}));
}

TEST(PlanMounts, RecursiveAttributesAreKeptApart) {
  auto step = plan({"/d", "bind", "/s", {"rbind", "rro"}, {}, {}});
  EXPECT_EQ(step.recursive_set, static_cast<std::uint64_t>(MOUNT_ATTR_RDONLY));
  EXPECT_EQ(step.set, 0U);
}

TEST(PlanMounts, NothingOnOrBelowProcButTheKnownFew) {
  for (const char* target :
       {"/proc", "/proc/", "//proc", "/proc/self/attr/exec", "/x/../proc/sys", "/proc/cpuinfo/x"}) {
    EXPECT_THROW(plan({target, "bind", "/src", {}, {}, {}}), Error) << target;
    EXPECT_THROW(plan({target, "tmpfs", "tmpfs", {}, {}, {}}), Error) << target;
  }
  EXPECT_NO_THROW(plan({"/proc", "proc", "proc", {}, {}, {}}));
  EXPECT_NO_THROW(plan({"/proc/cpuinfo", "bind", "/src", {}, {}, {}}));
  EXPECT_NO_THROW(plan({"/proc", "bind", "/proc", {"rbind"}, {}, {}}));
  EXPECT_NO_THROW(plan({"/processes", "bind", "/src", {}, {}, {}}));
}

TEST(PlanMounts, GroupsOutsideOfTheMapOwnNoTerminals) {
  oci::RuntimeMount pts{"/dev/pts", "devpts", "devpts", {"newinstance", "gid=5", "mode=0620"}, {}, {}};
  EXPECT_EQ(plan(pts, {true, 1, false}).parameters, (os::MountParameters{{"mode", "0620"}}));
  EXPECT_EQ(plan(pts).parameters.size(), 2U);
}

TEST(PlanMounts, SysfsWithoutOwnNetworkIsBoundReadOnly) {
  auto spec = with({"/sys", "sysfs", "sysfs", {"ro", "nosuid"}, {}, {}});
  std::erase_if(spec.linux_.namespaces, [](const auto& space) { return space.type == "network"; });
  auto step = plan_mounts(spec, {true, 65536, false}).at(0);
  EXPECT_EQ(step.kind, MountStep::Kind::Bind);
  EXPECT_NE(step.recursive_set & MOUNT_ATTR_RDONLY, 0U);
}

TEST(PlanMounts, SharedCgroupNamespaceIsNeverWritable) {
  auto spec = with({"/sys/fs/cgroup", "cgroup", "cgroup", {"rw"}, {}, {}});
  EXPECT_EQ(plan_mounts(spec, {}).at(0).set & MOUNT_ATTR_RDONLY, 0U);
  std::erase_if(spec.linux_.namespaces, [](const auto& space) { return space.type == "cgroup"; });
  EXPECT_NE(plan_mounts(spec, {}).at(0).set & MOUNT_ATTR_RDONLY, 0U);
}

TEST(PlanMounts, OptionsThatCannotBeKeptFail) {
  EXPECT_THROW(plan({"/d", "bind", "/s", {"size=5"}, {}, {}}), Error);
  EXPECT_THROW(plan({"/d", "", "/s", {}, {}, {}}), Error);
  EXPECT_THROW(plan({"/d", "bind", "/s", {}, {{0, 0, 1}}, {{0, 0, 1}}}), Error);
}

TEST(Paths, AreCleanedByText) {
  EXPECT_EQ(clean_path("/a/./b//../c/"), "/a/c");
  EXPECT_EQ(clean_path("/../.."), "/");
  EXPECT_TRUE(is_below("/proc/x", "/proc"));
  EXPECT_TRUE(is_below("/proc", "/proc"));
  EXPECT_FALSE(is_below("/processes", "/proc"));
}

}  // namespace
}  // namespace proa::runtime
