// proa-run as an OCI runtime for others: the command line that runc and crun have.
#pragma once

#include <optional>
#include <string>

#include "libcommon/cli/command.h"

namespace proa::run::oci {

// `oci create|start|state|kill|delete|...` for the program's table.
cli::Command oci_command();

// Called first by main(): takes over when the program is called `proa-oci` or `proa-runtime`, or when the first word is
// `oci`. Then the runtime's global flags (--root, --log, --log-format, --systemd-cgroup, ...) may stand before the
// verb. nullopt: not meant.
std::optional<int> run_as_runtime(int argc, char** argv);

// The flags before the verb.
struct Globals {
  std::string root;  // where states are kept
  std::string log;   // file for errors
  bool log_json = false;
  bool systemd_cgroup = false;
  bool no_cgroups = false;  // --cgroup-manager=disabled, as podman asks for with --cgroups=disabled
};
Globals& globals();

}  // namespace proa::run::oci
