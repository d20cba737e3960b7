// cgroup v2 as far as it is delegated to us; v1 and hybrid machines count as "nothing delegated".
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "libcommon/os/file.h"
#include "libcommon/os/systemd.h"

namespace proa::os {

// Our group below the mount: "/user.slice/..."; empty without cgroup v2.
Path own_cgroup();

struct CgroupFacts {
  bool unified = false;                   // /sys/fs/cgroup is cgroup2
  std::optional<SystemdManager> systemd;  // makes groups for us; asked first, since a group beside its own is not ours
  Path delegated;                         // absolute directory in which we may make groups; empty: none
  std::vector<std::string> controllers;   // that a group of ours gets
  bool usable() const { return systemd.has_value() || !delegated.empty(); }
};
CgroupFacts gather_cgroup_facts();
// Controllers that groups made in `directory` can have.
std::vector<std::string> cgroup_controllers(const Path& directory);

// Where the group of one container is made: a scope of its own from systemd, else a group that is delegated to us.
class CgroupPlace {
 public:
  // Asks systemd, without waiting. `name` names the container.
  CgroupPlace(const CgroupFacts& facts, std::string name);
  // A scope with a name that others chose, or nothing.
  CgroupPlace(const SystemdManager& manager, const std::string& unit, const std::string& slice);

  // The directory for the group; empty: none can be had, problem() says why. In a scope this process is in a group of
  // its own afterwards, next to the container's: a group with processes hands no controllers on.
  const Path& directory();
  // Path of the container's group; empty likewise.
  Path group();
  const std::string& problem() const { return problem_; }

 private:
  void ask(const SystemdManager& manager, const std::string& unit, const std::string& slice);
  void settle();

  std::string name_;
  std::optional<SystemdConnection> systemd_;
  Path directory_;
  std::string problem_;
  bool in_scope_ = false;
};

// Brings this process near enough to a group that it may start processes in it. From a login session only systemd can.
void approach_cgroup(const Path& group);

// One group of ours. remove() kills nothing; it waits shortly for the last process to be gone.
class Cgroup {
 public:
  // Makes `directory` and has the one above hand on the controllers that it needs; those that only count things are
  // tried.
  static Cgroup create(Path directory, const std::vector<std::string>& needed);
  static Cgroup open(Path directory);

  const Path& directory() const noexcept { return directory_; }
  void set(const std::string& file, const std::string& value) const;
  void add(pid_t pid) const;
  void freeze(bool frozen) const;
  void kill_all() const;  // cgroup.kill, Linux 5.14, else a signal to each process
  std::vector<pid_t> processes() const;
  void remove() const;

 private:
  explicit Cgroup(Path directory) : directory_(std::move(directory)) {}
  Path directory_;
};

}  // namespace proa::os
