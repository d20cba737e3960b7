// Carries a mount plan out: runs in the container's init, in its own mount namespace, before the host's mounts are
// left. Every path in the root is resolved by os::Dir and used as a descriptor.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcommon/oci/runtime_spec.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/unique_fd.h"
#include "libcommon/runtime/mount_plan.h"

namespace proa::runtime {

class RootBuilder {
 public:
  // `root_mount` is a detached mount or -1: then `root_path` is taken, with what is mounted below.
  RootBuilder(const oci::RuntimeSpec& spec, std::string bundle, bool in_user_namespace);

  // Take what comes from outside, the root and then the sources of binds, as detached mounts. They run while we still
  // have the caller's user id, to whom alone such files may be readable.
  void open_root(int root_mount, const std::string& root_path);
  void open_sources(const std::vector<MountStep>& steps);
  void attach_root();
  void mount_all(const std::vector<MountStep>& steps);
  void make_devices();
  // A new terminal from the container's devpts: the slave becomes /dev/console; returns {master, slave}.
  std::pair<os::UniqueFd, os::UniqueFd> make_console();
  void write_sysctls();
  void mask_paths();
  void make_working_directory(const std::string& path, std::uint32_t uid, std::uint32_t gid);
  // Makes the root read-only where asked for, and leaves the host's mounts for good.
  void enter(bool no_pivot);

 private:
  os::UniqueFd target(const MountStep& step, bool directory) const;
  os::UniqueFd pure_directory(const std::string& name) const;
  void mount_filesystem(const MountStep& step);
  void mount_bind(const MountStep& step, os::UniqueFd tree);
  void mount_cgroup(const MountStep& step);
  void attach(const MountStep& step, os::UniqueFd mount, int target_fd);
  void make_device(int dev, const oci::RuntimeDevice& device);
  void bind_device(const oci::RuntimeDevice& device, int directory, const std::string& name);
  void mask_one(const std::string& path);
  int proc();

  const oci::RuntimeSpec& spec_;
  std::string bundle_;
  bool in_user_namespace_;
  bool own_dev_ = false;  // /dev is a tmpfs of ours
  bool dev_read_only_ = false;
  os::UniqueFd root_mount_;
  std::vector<os::UniqueFd> sources_;  // one for each step, valid for binds
  std::optional<os::Dir> root_;
  os::UniqueFd proc_, devpts_, null_device_;
};

// Copies what `from` holds into `to`: files, directories, links, with modes and owners as far as allowed (tmpcopyup).
void copy_tree(int from, int to);

}  // namespace proa::runtime
