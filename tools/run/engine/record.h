// What is kept of a container, as JSON files in its folder. Read with ceilings: they may come from a restored backup.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/spec/ports.h"

namespace proa::engine {

inline constexpr int kRecordVersion = 1;

// A mount as `inspect` tells of it.
struct MountNote {
  std::string type;  // bind, volume, tmpfs
  std::string name;  // of a volume
  std::string source, destination;
  bool read_only = false;
};

// record.json: what was asked for. Written once, at creation.
struct ContainerRecord {
  std::string id, name;
  std::string image;      // as the user named it, with the tag
  std::string image_id;   // "sha256:..."
  std::string top_layer;  // chain id; empty: an image without layers
  std::string created;    // RFC 3339
  std::vector<std::string> entrypoint, command;
  std::map<std::string, std::string> labels;
  std::vector<spec::PortMapping> ports;
  std::vector<std::string> exposed;  // "80/tcp"
  std::string network = "pasta";
  std::map<std::string, std::string> joins;  // namespace type -> the container whose namespace it is
  std::vector<std::string> dns_forward;      // name servers that pasta reaches for the container
  std::string hostname;
  bool terminal = false, stdin_open = false, auto_remove = false, init = false, privileged = false;
  bool no_cgroup = false;  // --cgroups=disabled
  std::string stop_signal = "SIGTERM";
  int stop_timeout = 10;
  std::string restart_policy = "no";  // no, on-failure, always, unless-stopped
  int restart_limit = 0;              // 0: none
  std::string runtime;                // empty: built in
  std::string log_driver = "k8s-file";
  std::string pid_file;
  std::vector<MountNote> mounts;
  std::vector<std::string> anonymous_volumes;  // removed with the container

  std::string encode() const;
  static ContainerRecord parse(std::string_view json);  // throws Corrupt
};

// state.json: written by the monitor when the process started; true while the lock is held.
struct RunState {
  int pid = 0;
  std::uint64_t start_time = 0;  // of the process, field 22 of /proc/PID/stat
  int helper_pid = 0;            // pasta
  std::uint64_t helper_start_time = 0;
  int monitor_pid = 0;
  std::string started;
  std::string boot_id;
  std::string cgroup;  // directory; empty: none of its own
  int restarts = 0;

  std::string encode() const;
  static RunState parse(std::string_view json);
};

// exit.json: written by the monitor when the process ended.
struct ExitRecord {
  int exit_code = 0;
  std::string started, finished;
  bool oom_killed = false;
  std::string error;
  bool restarting = false;  // the monitor is about to start it again
  int restarts = 0;

  std::string encode() const;
  static ExitRecord parse(std::string_view json);
};

std::string boot_id();

}  // namespace proa::engine
