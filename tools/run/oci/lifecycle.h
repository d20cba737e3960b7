// Creating, starting, signalling and deleting: the verbs without their command lines.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcommon/os/cgroup.h"
#include "libcommon/os/process.h"
#include "libcommon/runtime/launch.h"
#include "tools/run/oci/state.h"

namespace proa::run::oci {

// Of `create` and `run`.
struct CreateOptions {
  std::vector<std::string> words;  // the id
  std::string bundle = ".";
  std::string console_socket, pid_file;
  bool no_pivot = false, no_new_keyring = false;
  std::int64_t preserve_fds = 0;
  bool keep = false, detach = false, no_subreaper = false;  // run only
};

// The init waits in the FIFO of the state directory; `start` lets it go, from any process.
void create(const std::string& id, const CreateOptions& options);
void start(const std::string& id);
// Create, start, wait and delete in one process. Returns the exit status of the command.
int run(const std::string& id, const CreateOptions& options, bool keep);
void kill(const std::string& id, int signal, bool all);
void remove(const std::string& id, bool force);
void pause(const std::string& id, bool paused);

// Hands the master of a pty to who listens on `path`, as runc's console-socket protocol has it.
void send_console(const std::string& path, int master);
void write_pid_file(const std::string& path, pid_t pid);
// Shows the container's terminal on ours and passes signals on until `child` ends; without `master` only signals.
int attend(os::Child& child, os::UniqueFd master);

}  // namespace proa::run::oci
