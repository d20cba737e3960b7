// What the runtime command line remembers of a container: ROOT/ID/{state.json, exec.fifo}. Gone with `delete`, and at a
// reboot.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/oci/runtime_spec.h"

namespace proa::run::oci {

enum class Status { Creating, Created, Running, Paused, Stopped };
const char* status_name(Status status);

struct ContainerState {
  std::string id, bundle, created, owner;
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // of the process, so that a recycled pid does not count
  std::string cgroup;            // directory, empty without one
  std::map<std::string, std::string> annotations;
};

// Where ROOT is: --root, else below the runtime directory of proa. Made when missing.
std::string state_root();
std::string state_directory(const std::string& id);
// Throws InvalidArgument for names that are no names, AlreadyExists when it is taken.
void claim(const std::string& id);
void save(const ContainerState& state);
ContainerState load(const std::string& id);  // throws NotFound
std::vector<std::string> all_ids();
Status status_of(const ContainerState& state);
void forget(const std::string& id);

// The specification of a bundle.
proa::oci::RuntimeSpec load_spec(const std::string& bundle);
// The state as the specification has it, for `state` and hooks.
std::string spec_state(const ContainerState& state, Status status);

}  // namespace proa::run::oci
