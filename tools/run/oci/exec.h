// `oci exec`: a further process in a container.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace proa::run::oci {

struct ExecOptions {
  std::vector<std::string> words;  // id, then the command unless `process` is given
  std::string process;             // file with a process object
  std::string console_socket, pid_file, cwd, user, apparmor, process_label;
  std::vector<std::string> env, caps;
  std::vector<std::string> additional_gids;
  bool tty = false, detach = false, no_new_privs = false, ignore_paused = false;
  std::int64_t preserve_fds = 0;
};

// The exit status of the process; 0 when detached.
int exec(const ExecOptions& options);

}  // namespace proa::run::oci
