// crun, runc or any program with their command line, driven with the same bundle.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/oci/runtime_spec.h"
#include "libcommon/os/process.h"

namespace proa::runtime {

// Runtimes say why a container was not started in words only: 127 when these tell that its command does not exist, 126
// that it cannot be executed, else 125. As podman reads crun and runc.
int failure_exit_code(std::string_view said);

class ExternalRuntime {
 public:
  // A name is searched in PATH. `root`: where the runtime keeps its state. Throws NotFound.
  ExternalRuntime(const std::string& program, std::string root, bool systemd_cgroup = false);

  struct CreateOptions {
    std::string id, bundle, pid_file, console_socket;  // console_socket only with a terminal
    std::array<int, 3> stdio{0, 1, 2};
    bool no_pivot = false, no_new_keyring = false;
    unsigned preserve_fds = 0;
  };
  // Returns the pid of the container's init, which becomes a child of the nearest sub-reaper (be one). Throws with the
  // runtime's own words.
  pid_t create(const CreateOptions& options) const;
  void start(const std::string& id) const;
  void kill(const std::string& id, int signal, bool all = false) const;
  void remove(const std::string& id, bool force) const;
  void pause(const std::string& id, bool paused) const;
  // JSON of `state`, nullopt when the runtime does not know the container.
  std::optional<std::string> state(const std::string& id) const;
  // A process in the container; the child is the runtime itself, which stays until the process ends.
  os::Child exec(const std::string& id, const std::string& process_file, const std::array<int, 3>& stdio,
                 const std::string& console_socket, const std::string& pid_file) const;

 private:
  std::vector<std::string> global_arguments() const;
  void call(std::vector<std::string> arguments) const;

  std::string program_, root_;
  bool systemd_cgroup_;
};

}  // namespace proa::runtime
