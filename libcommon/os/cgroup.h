// cgroup v2 as far as it is delegated to us; v1 and hybrid machines count as "nothing delegated".
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/os/file.h"

namespace proa::os {

struct CgroupFacts {
  bool unified = false;                  // /sys/fs/cgroup is cgroup2
  Path own;                              // our cgroup below the mount: "/user.slice/..."
  Path delegated;                        // absolute directory in which we may make groups; empty: none
  std::vector<std::string> controllers;  // that a group made there gets
};
CgroupFacts gather_cgroup_facts();

// One group of ours. remove() kills nothing; it waits shortly for the last process to be gone.
class Cgroup {
 public:
  // Makes `facts.delegated`/NAME (a validated name, never a path) and switches on the controllers that the limits need.
  static Cgroup create(const CgroupFacts& facts, const std::string& name, const std::vector<std::string>& controllers);
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
