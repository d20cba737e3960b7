// The built-in runtime. launch() clones the container's init, which sets itself up from a finished plan and then waits;
// start() lets it exec. Between the two the caller may do what needs the namespaces (pasta, hooks, records). For
// single-threaded processes only. The caller must be able to make the namespaces: root, uid 0 after
// enter_user_namespace(), or an ordinary user whose spec asks for a new user namespace.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "libcommon/base/error.h"
#include "libcommon/oci/runtime_spec.h"
#include "libcommon/os/process.h"
#include "libcommon/os/unique_fd.h"
#include "libcommon/runtime/seccomp.h"

namespace proa::runtime {

enum class InitStep : std::uint8_t {
  Clone,
  JoinNamespaces,
  IdMaps,
  Session,
  Keyring,
  Cgroup,
  Root,
  Mounts,
  Devices,
  Console,
  Masks,
  Network,
  Hostname,
  Sysctl,
  Limits,
  PivotRoot,
  Hooks,
  Labels,
  WorkingDirectory,
  Identity,
  Capabilities,
  Seccomp,
  Start,
  Exec,
};
const char* step_name(InitStep step);

// A failure between clone and exec: "container init: mounts: mount tmpfs on /run: Permission denied".
class LaunchError : public Error {
 public:
  LaunchError(InitStep step, ErrorCode code, int exit_code, std::string message, std::string hint = {})
      : Error(code, std::move(message), std::move(hint)), step_(step), exit_code_(exit_code) {}
  InitStep step() const noexcept { return step_; }
  // 127: the command does not exist; 126: it cannot be executed; 125: anything else.
  int exit_code() const noexcept { return exit_code_; }

 private:
  InitStep step_;
  int exit_code_;
};

struct LaunchRequest {
  const oci::RuntimeSpec* spec = nullptr;  // must outlive launch()
  std::string bundle;                      // base of a relative root path; may be empty with root_mount
  int root_mount = -1;  // a detached mount (os::mount_overlay_any) that becomes the root instead of root_path
  std::string id;       // names the session keyring and the cgroup
  std::array<int, 3> stdio{0, 1, 2};  // become 0, 1, 2 of the command; -1: /dev/null. Not used with a terminal.
  unsigned preserve_fds = 0;          // keep 3..3+N-1
  bool init = false;                  // stay as process 1: reap, pass signals on, end with the command's status
  bool new_keyring = true;
  bool no_pivot = false;
  bool emulate_single_id = false;  // IdMode::Single
  bool record_owners = false;      // with it: owners that commands ask for are noted on the files (os/owner_note.h)
  int parent_death_signal = 0;
  int start_fd = -1;             // a FIFO that is read instead of start()'s channel, for `oci create`
  std::string seccomp_cache;     // directory; empty: compile each time
  std::string cgroup_directory;  // absolute; joined when not empty
  // Runs in the caller after the namespaces exist and before pivot_root (OCI hooks prestart, createRuntime); init waits
  // for it.
  std::function<void(pid_t)> on_namespaces;
};

class Launched {
 public:
  struct Channel;
  Launched(os::Child child, std::unique_ptr<Channel> channel);
  Launched(Launched&&) noexcept;
  ~Launched();  // never started: the init is killed

  os::Child& child() noexcept { return child_; }
  pid_t pid() const noexcept { return child_.pid(); }
  int pidfd() const noexcept { return child_.pidfd(); }
  // Waits until everything but the exec is done; throws LaunchError. With a terminal the master of the container's pty.
  os::UniqueFd wait_ready();
  // Lets it go as soon as it is ready, without waiting for that; start() then only waits for the outcome. Not with a
  // terminal.
  void start_when_ready();
  // Lets it go, and waits until the exec happened or failed. Calls wait_ready() when that was not done.
  void start();
  // For start_fd: the init lives on without us.
  void leave_waiting();
  // A descriptor that becomes readable when wait_ready() will not block, for event loops.
  int channel_fd() const noexcept;

 private:
  os::Child child_;
  std::unique_ptr<Channel> channel_;
  bool ready_ = false, released_ = false;
};

Launched launch(const LaunchRequest& request);

// Where compiled filters live: $XDG_CACHE_HOME/proa/seccomp (root: /var/cache/proa/seccomp); empty when there is no
// home.
std::string default_seccomp_cache();

}  // namespace proa::runtime
