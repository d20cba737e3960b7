#include "libcommon/os/idmap.h"

#include <fmt/core.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/caps.h"
#include "libcommon/os/file.h"
#include "libcommon/os/mount.h"
#include "libcommon/os/namespace_limits.h"
#include "libcommon/os/process.h"

namespace proa::os {
namespace {

constexpr std::size_t kMaxMapLines = 340;     // user_namespaces(7), Linux 4.15
constexpr std::uint32_t kUsualRange = 65536;  // what useradd gives
constexpr const char* kSelfUids = "/proc/self/uid_map";
constexpr const char* kSelfGids = "/proc/self/gid_map";

std::optional<std::uint32_t> translate(const IdMap& map, std::uint32_t id, std::uint32_t IdMapEntry::*from,
                                       std::uint32_t IdMapEntry::*to) {
  for (const auto& entry : map) {
    if (id >= entry.*from && id - entry.*from < entry.count) return entry.*to + (id - entry.*from);
  }
  return std::nullopt;
}

IdMap parse_id_map(const std::string& text) {
  IdMap map;
  for (const auto& line : split(text, '\n')) {
    std::vector<std::uint32_t> numbers;
    for (const auto& word : split(line, ' ')) {
      if (word.empty()) continue;
      if (auto number = parse_integer<std::uint32_t>(word)) numbers.push_back(*number);
    }
    if (numbers.size() == 3) map.push_back({numbers[0], numbers[1], numbers[2]});
  }
  return map;
}

IdMap full_map(std::uint32_t own, const std::vector<SubordinateRange>& ranges) {
  IdMap map{{0, own, 1}};
  std::uint32_t next = 1;
  for (const auto& range : ranges) {
    if (map.size() >= kMaxMapLines) break;
    map.push_back({next, range.first, range.count});
    next += range.count;
  }
  return map;
}

std::string why_single(const IdFacts& facts) {
  if (facts.subordinate_uids.empty()) return "/etc/subuid grants no ids";
  if (facts.subordinate_gids.empty()) return "/etc/subgid grants no ids";
  return "newuidmap and newgidmap are not installed";
}

UserNamespacePlan single_plan(uid_t uid, gid_t gid, const std::string& why, std::string hint) {
  UserNamespacePlan plan;
  plan.mode = IdMode::Single;
  plan.uids = {{0, uid, 1}};
  plan.gids = {{0, gid, 1}};
  plan.reason = "one user id is mapped and file owners are emulated: " + why;
  plan.hint = std::move(hint);
  return plan;
}

// What gives full ranges, as far as it is missing.
std::string full_hint(const IdFacts& facts) {
  std::vector<std::string> steps;
  if (!facts.newuidmap || !facts.newgidmap) steps.emplace_back("install the package uidmap");
  std::string flags;
  const auto first = first_free_range(facts.taken, kUsualRange);
  const std::string range = first ? fmt::format("{}-{}", *first, *first + kUsualRange - 1) : "FIRST-LAST";
  if (facts.subordinate_uids.empty()) flags += " --add-subuids " + range;
  if (facts.subordinate_gids.empty()) flags += " --add-subgids " + range;
  if (!flags.empty()) {
    steps.push_back(
        fmt::format("run as root: usermod{} {}", flags, facts.user_name.empty() ? "USER" : facts.user_name));
  }
  return "for full id ranges " + proa::join(steps, " and ");
}

// newuidmap or newgidmap, forked before we leave our user namespace and let loose when the pipe closes.
class MapHelper {
 public:
  MapHelper(const std::string& program, pid_t target, const IdMap& map) : program_(program) {
    std::vector<std::string> words{program, std::to_string(target)};
    for (const auto& entry : map) {
      for (auto number : {entry.inside, entry.outside, entry.count}) words.push_back(std::to_string(number));
    }
    std::array<int, 2> go{}, errors{};
    if (::pipe2(go.data(), O_CLOEXEC) != 0) throw system_error("pipe");
    UniqueFd go_read(go[0]);
    go_ = UniqueFd(go[1]);
    if (::pipe2(errors.data(), O_CLOEXEC) != 0) throw system_error("pipe");
    errors_ = UniqueFd(errors[0]);
    UniqueFd errors_write(errors[1]);
    child_.emplace(fork_process([&]() -> int {
      go_.reset();
      char byte;
      // Only a byte means go: when we die before, the pipe just closes.
      if (::read(go_read.get(), &byte, 1) != 1) return 1;
      ::dup2(errors_write.get(), STDERR_FILENO);
      std::vector<char*> argv;
      for (auto& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      ::execv(program.c_str(), argv.data());
      return 127;
    }));
  }

  void release() {
    if (::write(go_.get(), "g", 1) != 1) throw system_error("write to a pipe");
    go_.reset();
  }
  // nullopt: the map is written; else why not.
  std::optional<std::string> finish() {
    std::string said = read_fd(errors_.get(), 4096, program_);
    WaitStatus status = child_->wait();
    if (status.success()) return std::nullopt;
    auto line = std::string(trim(split(said, '\n', 2).front()));
    return line.empty() ? fmt::format("{} {}", program_, status.text()) : line;
  }

 private:
  std::string program_;
  UniqueFd go_, errors_;
  std::optional<Child> child_;
};

void write_proc(const Path& path, const std::string& text) {
  UniqueFd fd = open(path, O_WRONLY);
  write_all(fd.get(), text, path);
}

void write_single_gid_map(const Path& proc, gid_t gid) {
  // Without newgidmap the kernel takes a gid map only when setgroups is given up (CVE-2014-8989).
  write_proc(proc + "/setgroups", "deny");
  write_proc(proc + "/gid_map", format_id_map({{0, gid, 1}}));
}

void unshare_user(int extra) {
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS | extra) != 0) {
    const int error = errno;
    throw user_namespace_refused(error, gather_namespace_limits());
  }
}

UserNamespacePlan enter_full(const UserNamespacePlan& plan, int extra) {
  uid_t uid = ::geteuid();
  gid_t gid = ::getegid();
  MapHelper uids(plan.newuidmap, ::getpid(), plan.uids);
  MapHelper gids(plan.newgidmap, ::getpid(), plan.gids);
  unshare_user(extra);
  uids.release();
  gids.release();
  auto uid_problem = uids.finish();
  auto gid_problem = gids.finish();
  if (!uid_problem && !gid_problem) return plan;
  if (uid_problem) write_proc(kSelfUids, format_id_map({{0, uid, 1}}));
  if (gid_problem) write_single_gid_map("/proc/self", gid);
  auto single = single_plan(uid, gid, uid_problem.value_or(gid_problem.value_or("")), plan.hint);
  if (!uid_problem) single.uids = plan.uids;
  if (!gid_problem) single.gids = plan.gids;
  return single;
}

}  // namespace

std::string format_id_map(const IdMap& map) {
  std::string text;
  for (const auto& entry : map) text += fmt::format("{} {} {}\n", entry.inside, entry.outside, entry.count);
  return text;
}

std::optional<std::uint32_t> id_to_inside(const IdMap& map, std::uint32_t outside) {
  return translate(map, outside, &IdMapEntry::outside, &IdMapEntry::inside);
}

std::optional<std::uint32_t> id_to_outside(const IdMap& map, std::uint32_t inside) {
  return translate(map, inside, &IdMapEntry::inside, &IdMapEntry::outside);
}

std::uint64_t id_map_size(const IdMap& map) {
  IdMap sorted = map;
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.inside < b.inside; });
  std::uint64_t next = 0;
  for (const auto& entry : sorted) {
    if (entry.inside != next) break;
    next += entry.count;
  }
  return next;
}

IdMap current_uid_map() { return parse_id_map(read_file(kSelfUids, 1 << 16)); }
IdMap current_gid_map() { return parse_id_map(read_file(kSelfGids, 1 << 16)); }
IdMap uid_map_of(pid_t pid) { return parse_id_map(read_file(fmt::format("/proc/{}/uid_map", pid), 1 << 16)); }
IdMap gid_map_of(pid_t pid) { return parse_id_map(read_file(fmt::format("/proc/{}/gid_map", pid), 1 << 16)); }

bool in_user_namespace() {
  // The first user namespace maps every id to itself; that map cannot be written elsewhere by the unprivileged, and one
  // who can has the same rights over files anyway.
  static const IdMap kInitial{{0, 0, 4294967295U}};
  return current_uid_map() != kInitial;
}

IdFacts gather_id_facts() {
  IdFacts facts;
  facts.uid = ::geteuid();
  facts.gid = ::getegid();
  facts.can_mount = (effective_capabilities() & cap_bit(CAP_SYS_ADMIN)) != 0;
  facts.current_uids = current_uid_map();
  facts.current_gids = current_gid_map();
  facts.in_user_namespace = in_user_namespace();
  if (facts.uid == 0 && facts.can_mount) return facts;
  facts.subordinate_uids = subordinate_uids(facts.uid);
  facts.subordinate_gids = subordinate_gids(facts.uid);
  facts.newuidmap = find_program("newuidmap");
  facts.newgidmap = find_program("newgidmap");
  if (auto name = user_name(facts.uid)) facts.user_name = *name;
  if (facts.subordinate_uids.empty() || facts.subordinate_gids.empty()) facts.taken = taken_ids();
  return facts;
}

UserNamespacePlan plan_user_namespace(const IdFacts& facts) {
  UserNamespacePlan plan;
  if (facts.uid == 0 && facts.can_mount) {
    plan.already_inside = true;
    plan.uids = facts.current_uids;
    plan.gids = facts.current_gids;
    if (!facts.in_user_namespace) return plan;
    bool several = id_map_size(facts.current_uids) > 1 && id_map_size(facts.current_gids) > 1;
    plan.mode = several ? IdMode::Full : IdMode::Single;
    return plan;
  }
  if (facts.subordinate_uids.empty() || facts.subordinate_gids.empty() || !facts.newuidmap || !facts.newgidmap) {
    return single_plan(facts.uid, facts.gid, why_single(facts), full_hint(facts));
  }
  plan.mode = IdMode::Full;
  plan.uids = full_map(facts.uid, facts.subordinate_uids);
  plan.gids = full_map(facts.gid, facts.subordinate_gids);
  plan.newuidmap = *facts.newuidmap;
  plan.newgidmap = *facts.newgidmap;
  // For the case that the helpers refuse.
  plan.hint = "newuidmap and newgidmap have to be set-user-ID root: install the package uidmap again";
  return plan;
}

UserNamespacePlan plan_user_namespace() { return plan_user_namespace(gather_id_facts()); }

UserNamespacePlan enter_user_namespace(const UserNamespacePlan& plan, int extra) {
  While entering{"entering the user namespace"};
  if (plan.already_inside) {
    if (::unshare(CLONE_NEWNS | extra) != 0) {
      const int error = errno;
      throw namespaces_refused("unshare the mount namespace", error, gather_namespace_limits());
    }
    set_propagation(MS_SLAVE);
    return plan;
  }
  UserNamespacePlan result = plan;
  if (plan.mode == IdMode::Full) {
    result = enter_full(plan, extra);
  } else {
    unshare_user(extra);
    write_proc(kSelfUids, format_id_map(plan.uids));
    write_single_gid_map("/proc/self", plan.gids.at(0).outside);
  }
  // Mounts copied into a namespace of another user are slaves already (mount_namespaces(7)); this call tells whether we
  // got the rights that a user namespace should bring.
  try {
    set_propagation(MS_SLAVE);
  } catch (Error& error) {
    throw std::move(error).with_hint(
        "user namespaces have no rights here; on Ubuntu check the sysctl kernel.apparmor_restrict_unprivileged_userns");
  }
  result.already_inside = true;
  return result;
}

void write_id_maps(pid_t pid, const UserNamespacePlan& plan) {
  Path proc = fmt::format("/proc/{}", pid);
  auto one = [](const IdMap& map, std::uint32_t own) {
    return map.size() == 1 && map[0].count == 1 && map[0].outside == own;
  };
  if (plan.newuidmap.empty()) {
    if (one(plan.gids, ::getegid())) write_proc(proc + "/setgroups", "deny");
    write_proc(proc + "/uid_map", format_id_map(plan.uids));
    write_proc(proc + "/gid_map", format_id_map(plan.gids));
    return;
  }
  MapHelper uids(plan.newuidmap, pid, plan.uids);
  MapHelper gids(plan.newgidmap, pid, plan.gids);
  uids.release();
  gids.release();
  auto uid_problem = uids.finish();
  auto gid_problem = gids.finish();
  if (uid_problem) throw Error(ErrorCode::PermissionDenied, "writing the id maps: " + *uid_problem);
  if (gid_problem) throw Error(ErrorCode::PermissionDenied, "writing the id maps: " + *gid_problem);
}

}  // namespace proa::os
