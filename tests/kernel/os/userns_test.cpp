// Entering user namespaces and mounting overlays in them, as an ordinary user.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/os/caps.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/file.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/mount.h"
#include "libcommon/os/process.h"

namespace proa::os {
namespace {

// Runs `body` in a child, since it changes namespaces; a thrown error or a result other than 0 fails the test.
void in_child(const std::function<int()>& body) {
  Child child = fork_process([&]() -> int {
    try {
      return body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 99;
    }
  });
  EXPECT_EQ(child.wait().to_exit_code(), 0);
}

bool has_ranges() { return plan_user_namespace().mode == IdMode::Full; }

TEST(EnterUserNamespace, FullMakesUsRootWithRanges) {
  if (!has_ranges()) GTEST_SKIP() << "no subordinate ids here";
  in_child([] {
    auto plan = enter_user_namespace(plan_user_namespace());
    if (plan.mode != IdMode::Full || ::geteuid() != 0 || ::getegid() != 0) return 1;
    if (current_uid_map() != plan.uids || current_gid_map() != plan.gids) return 2;
    if (effective_capabilities() != all_capabilities()) return 3;
    if (read_file("/proc/self/setgroups", 100) != "allow\n") return 4;
    // Asked again inside, nothing is left to enter.
    auto again = plan_user_namespace();
    return again.already_inside && again.mode == IdMode::Full ? 0 : 5;
  });
}

TEST(EnterUserNamespace, SingleMapsOneId) {
  in_child([] {
    auto facts = gather_id_facts();
    if (facts.uid == 0) return 0;
    facts.subordinate_uids.clear();
    auto plan = enter_user_namespace(plan_user_namespace(facts));
    if (plan.mode != IdMode::Single || ::geteuid() != 0 || ::getegid() != 0) return 1;
    if (current_uid_map() != IdMap{{0, facts.uid, 1}}) return 2;
    return read_file("/proc/self/setgroups", 100) == "deny\n" ? 0 : 3;
  });
}

TEST(EnterUserNamespace, ARefusedHelperFallsBackToOneIdWithAReason) {
  in_child([] {
    auto facts = gather_id_facts();
    if (facts.uid == 0) return 0;
    facts.newuidmap = facts.newgidmap = "/bin/false";
    facts.subordinate_uids = facts.subordinate_gids = {{100000, 10}};
    auto plan = enter_user_namespace(plan_user_namespace(facts));
    if (plan.mode != IdMode::Single || plan.reason.empty() || ::geteuid() != 0) return 1;
    return current_uid_map() == IdMap{{0, facts.uid, 1}} && current_gid_map() == IdMap{{0, facts.gid, 1}} ? 0 : 2;
  });
}

struct Layers {
  char top[32] = "/tmp/proa-overlay-XXXXXX";
  Path root;
  Layers() {
    root = ::mkdtemp(top);
    for (const char* name : {"/a", "/b", "/upper", "/work", "/m"}) make_dirs(root + name, 0755);
    write_all(open(root + "/a/file", O_WRONLY | O_CREAT, 0644).get(), "top", "file");
    write_all(open(root + "/b/file", O_WRONLY | O_CREAT, 0644).get(), "bottom", "file");
    write_all(open(root + "/b/gone", O_WRONLY | O_CREAT, 0644).get(), "gone", "gone");
    ::mknod((root + "/a/gone").c_str(), S_IFCHR, makedev(0, 0));
  }
  ~Layers() { remove_tree(root); }
  OverlayPlan plan() const { return {{root + "/a", root + "/b"}, root + "/upper", root + "/work", true, false}; }
};

int check_overlay(const Layers& layers, UniqueFd mount) {
  Dir dir(std::move(mount), "overlay");
  if (read_file("file", 100, dir.fd()) != "top") return 1;
  if (exists("gone", dir.fd())) return 2;
  UniqueFd made = dir.open_in_root("/new", O_WRONLY | O_CREAT, 0600);
  if (!made.valid() || !exists(layers.root + "/upper/new")) return 3;
  return 0;
}

TEST(Overlay, NativeIsDetachedAndWritable) {
  Layers layers;
  in_child([&] {
    enter_user_namespace(plan_user_namespace());
    return check_overlay(layers, mount_overlay(layers.plan()));
  });
}

TEST(Overlay, FuseShowsTheSame) {
  if (!find_program("fuse-overlayfs")) GTEST_SKIP() << "fuse-overlayfs is not installed";
  if (::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/fuse is not for us";
  Layers layers;
  in_child([&] {
    enter_user_namespace(plan_user_namespace());
    return check_overlay(layers, mount_fuse_overlay(layers.plan(), layers.root + "/m"));
  });
}

TEST(Overlay, AMissingLayerIsNamedByTheKernel) {
  Layers layers;
  in_child([&] {
    enter_user_namespace(plan_user_namespace());
    auto plan = layers.plan();
    plan.lowers.push_back(layers.root + "/nowhere");
    try {
      mount_overlay(plan);
    } catch (const Error& error) {
      return error.text().find("nowhere") != std::string::npos ? 0 : 1;
    }
    return 2;
  });
}

}  // namespace
}  // namespace proa::os
