// Starting programs and processes, and how they end.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libcommon/os/unique_fd.h"

namespace proa::os {

// The status of a finished process as a value.
class WaitStatus {
 public:
  explicit WaitStatus(int raw) noexcept : raw_(raw) {}
  bool exited() const noexcept;
  bool success() const noexcept;      // exited with 0
  int exit_code() const noexcept;     // of exit(3); -1 when killed
  int signal() const noexcept;        // 0 when exited
  int to_exit_code() const noexcept;  // as shells say it: 128 + signal when killed
  std::string text() const;           // "exited with 1", "killed by SIGKILL"

 private:
  int raw_;
};

// A child process that we are responsible for, held by pidfd (Linux 5.3).
class Child {
 public:
  Child(pid_t pid, UniqueFd pidfd) noexcept : pid_(pid), pidfd_(std::move(pidfd)) {}
  Child(Child&&) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();  // still running: SIGKILL, then reap

  pid_t pid() const noexcept { return pid_; }
  int pidfd() const noexcept { return pidfd_.get(); }
  WaitStatus wait();                                                      // at most once
  std::optional<WaitStatus> wait_for(std::chrono::milliseconds timeout);  // nullopt: still running
  void send(int signal) const;                                            // a process that ended already is fine
  void disown() noexcept;                                                 // no longer ours to wait for

 private:
  pid_t pid_;
  UniqueFd pidfd_;
  bool reaped_ = false;
};

struct SpawnPlan {
  std::string program;                                  // searched in PATH unless it has a slash
  std::vector<std::string> arguments;                   // without argv[0]
  std::optional<std::vector<std::string>> environment;  // "K=V"; nullopt: ours
  std::string working_directory;                        // empty: ours
  // Descriptors that the child gets: {ours, number in the child}. 0, 1 and 2 not named here stay as ours. Everything
  // else is closed.
  std::vector<std::pair<int, int>> descriptors;
  bool new_session = false;
  int parent_death_signal = 0;  // PR_SET_PDEATHSIG; 0: none
};

// posix_spawn-like, but with a clear error: throws NotFound when the program does not exist. Safe in threaded programs
// (vfork semantics).
Child spawn(const SpawnPlan& plan);

struct Output {
  WaitStatus status;
  std::string out;
  std::string err;
};
// Runs to the end with `input` on stdin; collects at most `max_output` bytes of each stream (LimitExceeded beyond).
Output run(const SpawnPlan& plan, std::string_view input = {}, std::size_t max_output = 1 << 20);

// The file that execvp would run, or nullopt. `path`: value of PATH; nullopt takes ours.
std::optional<std::string> find_program(const std::string& name, std::optional<std::string> path = std::nullopt);

// fork(2) for single-threaded programs: `body` runs in the child, whose exit code is its result; an exception ends the
// child with 125.
Child fork_process(const std::function<int()>& body);

// A process on disk is pid and start time (field 22 of /proc/PID/stat): a recycled pid does not match.
std::optional<std::uint64_t> process_start_time(pid_t pid);

}  // namespace proa::os
