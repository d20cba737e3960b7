// Mounts that no specification can say: overlays over folders of the host, images, parts of volumes.
#pragma once

#include <vector>

#include "libcommon/os/idmap.h"
#include "tools/run/monitor/plan.h"

namespace proa::monitor {

// Makes what the record lists at `mounts/<position>` in the container's folder, in our own mount namespace. It is there
// until the container has its own copies; nothing may delete the folder before.
class PreparedMounts {
 public:
  PreparedMounts(const MonitorPlan& plan, const os::UserNamespacePlan& ids);
  ~PreparedMounts();
  PreparedMounts(const PreparedMounts&) = delete;
  PreparedMounts& operator=(const PreparedMounts&) = delete;

 private:
  void make(const engine::PreparedMount& mount, std::size_t position);
  os::UniqueFd overlay(std::vector<os::Path> lowers, const engine::PreparedMount& mount, const os::Path& place,
                       std::size_t position) const;
  void attach(os::UniqueFd mount, const os::Path& place, bool folder);
  void attach_part(const os::Path& root, const std::string& subpath, const os::Path& place);
  void detach_all() noexcept;

  const MonitorPlan& plan_;
  const os::UserNamespacePlan& ids_;
  std::vector<os::Path> attached_;
};

// Gives a folder with all that is in it to an owner (the mount option U). Links are not followed.
void give_tree_away(const os::Path& path, uid_t uid, gid_t gid);

}  // namespace proa::monitor
