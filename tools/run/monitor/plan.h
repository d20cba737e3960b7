// What a monitor is told when it is forked.
#pragma once

#include <sys/ioctl.h>

#include <optional>
#include <string>
#include <vector>

#include "libcommon/runtime/container_spec.h"
#include "tools/run/engine/containers.h"

namespace proa::monitor {

struct MonitorPlan {
  engine::Containers containers;
  engine::Container container;
  engine::LiveLock lock;
  engine::ContainerRecord record;
  std::vector<os::Path> lowers;  // of the overlay, top first

  // A container that is being made: what was asked for. Else its bundle's config.json says what to start.
  std::optional<runtime::ContainerSpec> spec;
  std::string user;  // of the command line or the image, still a text: the root's passwd decides
  std::vector<std::string> group_add;
  std::vector<std::pair<os::Path, std::string>> new_volumes;  // engine::MountWork
  std::vector<os::Path> give_away;

  pid_t user_namespace_of = 0;                       // a monitor, when a namespace of its container is joined
  bool start = true;                                 // false: make it only
  bool attach_output = false, attach_input = false;  // of the client that forks
  int preserve_fds = 0;                              // 3 and on, of the client that forks: for the first run
  std::optional<winsize> size;
  std::string terminal_type;
};

}  // namespace proa::monitor
