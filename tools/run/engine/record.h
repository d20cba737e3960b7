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
  std::string type;  // bind, volume, tmpfs, image, devpts
  std::string name;  // of a volume
  std::string source, destination;
  bool read_only = false;
  std::string propagation;           // as asked for
  std::vector<std::string> options;  // of -v, those of the user
};

// A mount that the monitor makes anew at each start, at `mounts/<position>` in the container's folder; the
// specification binds it from there.
struct PreparedMount {
  // Overlay: `source` is the lower folder. Image: `source` is the chain id of its top layer. Path: `subpath` below the
  // folder `source`, resolved inside of it.
  std::string kind;
  std::string source, subpath;
  std::string upper, work;  // Overlay: folders that stay; empty: what is written goes with the run
  bool writable = false;
};

// A file of /run/secrets, or a variable that `inspect` does not show.
struct SecretNote {
  std::string id, name, target;
  bool variable = false;
  std::uint32_t uid = 0, gid = 0, mode = 0444;
};

struct HealthCheck {
  std::vector<std::string> test;  // CMD ARG..., CMD-SHELL TEXT; empty or NONE: no check
  std::int64_t interval = 0, timeout = 0, start_period = 0, start_interval = 0;  // nanoseconds
  int retries = 0;
  int successes = 0;  // of a start-up check

  bool active() const { return !test.empty() && test.front() != "NONE"; }
};
struct HealthPlan {
  HealthCheck check, startup;
  std::string on_failure = "none";  // none, kill, restart, stop
  int max_log_count = 5, max_log_size = 500;
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

  std::vector<PreparedMount> prepared;
  std::vector<SecretNote> secrets;
  HealthPlan health;
  std::string user;  // as the command line or the image has it
  int timeout = 0;   // seconds after which it is killed; 0: never
  bool remove_image = false;
  std::string notify = "ignore";  // --sdnotify: container, conmon, healthy, ignore
  std::string notify_socket;      // of the caller
  int preserved_fds = 0;          // 3..3+N-1 of the caller of `run`
  std::int64_t log_max_size = 0;  // bytes; 0: no rotation
  int log_max_files = 1;          // the present one included
  std::string log_tag, cid_file;
  std::map<std::string, std::string> modes;  // pid, ipc, uts, cgroup, userns: as asked for
  std::vector<std::string> create_command, group_add, security_options, cap_add, cap_drop, volumes_from;
  std::vector<std::string> dns, dns_search, dns_options, add_hosts, aliases, required;
  std::vector<std::string> device_options, ulimits;
  bool publish_all = false;

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
  bool by_user = false;     // somebody stopped or killed it
  int restarts = 0;

  std::string encode() const;
  static ExitRecord parse(std::string_view json);
};

// health.json: what the checks of this run found. Written by the monitor at the start, then by each check.
struct HealthState {
  struct Entry {
    std::string start, end, output;
    int exit_code = 0;
  };
  std::string status = "starting";  // starting, healthy, unhealthy
  int failing_streak = 0;
  int startup_successes = 0, startup_failures = 0;
  bool started_up = true;  // the start-up check is done with
  std::vector<Entry> log;  // oldest first

  std::string encode() const;
  static HealthState parse(std::string_view json);
};

std::string boot_id();

}  // namespace proa::engine
