#include "libcommon/runtime/launch_plan.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include "libcommon/os/caps.h"
#include "libcommon/os/namespaces.h"
#include "libcommon/runtime/generate.h"

namespace proa::runtime {
namespace {

os::IdMap to_id_map(const std::vector<oci::RuntimeIdMapping>& mappings) {
  os::IdMap map;
  for (const auto& entry : mappings) map.push_back({entry.container_id, entry.host_id, entry.size});
  return map;
}

os::UserNamespacePlan new_user_namespace(const oci::RuntimeSpec& spec) {
  os::UserNamespacePlan plan;
  plan.uids = to_id_map(spec.linux_.uid_mappings);
  plan.gids = to_id_map(spec.linux_.gid_mappings);
  if (plan.uids.empty() || plan.gids.empty()) {
    throw Error(ErrorCode::InvalidArgument, "config.json: a new user namespace needs uidMappings and gidMappings");
  }
  auto own = [](const os::IdMap& map, std::uint32_t id) {
    return map.size() == 1 && map[0].count == 1 && map[0].outside == id;
  };
  bool single = own(plan.uids, ::geteuid()) && own(plan.gids, ::getegid());
  os::CapSet needed = os::cap_bit(CAP_SETUID) | os::cap_bit(CAP_SETGID);
  if (single || (os::effective_capabilities() & needed) == needed) return plan;
  auto uids = os::find_program("newuidmap");
  auto gids = os::find_program("newgidmap");
  if (!uids || !gids) {
    throw Error(ErrorCode::Unsupported, "the id mappings of config.json need newuidmap and newgidmap",
                "install the package uidmap");
  }
  plan.newuidmap = *uids;
  plan.newgidmap = *gids;
  return plan;
}

void plan_namespaces(LaunchPlan& plan) {
  for (const auto& space : plan.spec->linux_.namespaces) {
    auto flag = os::namespace_flag(space.type);
    if (!flag) throw Error(ErrorCode::InvalidArgument, fmt::format("config.json: unknown namespace {}", space.type));
    if (!space.path.empty()) {
      plan.joined.push_back({*flag, space.path, os::open(space.path, O_RDONLY)});
      plan.joins_before_clone = plan.joins_before_clone || *flag == CLONE_NEWUSER || *flag == CLONE_NEWPID;
      plan.in_user_namespace = plan.in_user_namespace || *flag == CLONE_NEWUSER;
    } else if (*flag == CLONE_NEWCGROUP || *flag == CLONE_NEWTIME) {
      // The cgroup namespace's root is the group of the process that makes it, so it moves there first. A time
      // namespace holds the children of its maker (and its maker after an exec, Linux 6.1), and takes its offsets while
      // it is empty.
      plan.unshare_flags |= *flag;
    } else {
      plan.clone_flags |= *flag;
    }
  }
  if (plan.spec->find_namespace("mount") == nullptr) {
    throw Error(ErrorCode::Unsupported, "config.json: a container without a mount namespace is not supported");
  }
  plan.own_network = (plan.clone_flags & CLONE_NEWNET) != 0;
  plan.own_uts = (plan.clone_flags & CLONE_NEWUTS) != 0;
  plan.own_cgroup = (plan.unshare_flags & CLONE_NEWCGROUP) != 0;
  if ((plan.clone_flags & CLONE_NEWUSER) != 0) {
    plan.id_maps = new_user_namespace(*plan.spec);
    plan.in_user_namespace = true;
  }
}

void check_spec(const oci::RuntimeSpec& spec, const LaunchRequest& request) {
  if (!spec.process) throw Error(ErrorCode::InvalidArgument, "config.json: process is missing");
  if (spec.root_path.empty() && request.root_mount < 0)
    throw Error(ErrorCode::InvalidArgument, "config.json: root is missing");
  if (!spec.hostname.empty() && spec.find_namespace("uts") == nullptr) {
    throw Error(ErrorCode::InvalidArgument, "config.json: hostname needs a uts namespace");
  }
  // A value outside of the container's namespaces would be the host's, when root starts it.
  for (const auto& [key, value] : spec.linux_.sysctl) check_sysctl(key, value, spec);
  if (!spec.linux_.personality_domain.empty() && spec.linux_.personality_domain != "LINUX") {
    throw Error(ErrorCode::Unsupported,
                "config.json: personality " + spec.linux_.personality_domain + " is not supported");
  }
}

void check_preserved(unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    int fd = static_cast<int>(3 + i);
    // A number that is free would be taken by something of ours, which then stayed open in the container.
    if (::fcntl(fd, F_GETFD) < 0)
      throw Error(ErrorCode::InvalidArgument, fmt::format("descriptor {} is to be preserved, but is not open", fd));
  }
}

}  // namespace

LaunchPlan make_launch_plan(const LaunchRequest& request) {
  check_preserved(request.preserve_fds);
  LaunchPlan plan;
  plan.spec = request.spec;
  plan.request = request;
  check_spec(*plan.spec, request);
  plan.in_user_namespace = os::in_user_namespace();
  plan_namespaces(plan);
  SingleId single_id = !request.emulate_single_id ? SingleId::No
                       : request.record_owners    ? SingleId::Record
                                                  : SingleId::Answer;
  plan.process = prepare_process(*plan.spec->process, plan.spec->linux_.seccomp, single_id, request.seccomp_cache);
  plan.process.stdio = request.stdio;
  plan.process.preserve_fds = request.preserve_fds;
  plan.process.init = request.init;
  const auto keeps = plan.spec->annotations.find("run.oci.keep_original_groups");
  plan.process.keep_groups = keeps != plan.spec->annotations.end() && keeps->second == "1";
  MountFacts facts;
  facts.in_user_namespace = plan.in_user_namespace;
  if (plan.id_maps) {
    facts.mapped_gids = os::id_map_size(plan.id_maps->gids);
  } else if (plan.in_user_namespace) {
    facts.mapped_gids = os::id_map_size(os::current_gid_map());
  }
  plan.mounts = plan_mounts(*plan.spec, facts);
  if (!request.cgroup_directory.empty()) {
    plan.cgroup = os::open(request.cgroup_directory, O_RDONLY | O_DIRECTORY);
  }
  return plan;
}

}  // namespace proa::runtime
