// Where proa keeps things: XDG base directories for ordinary users, /var/lib and /run for root.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libcommon/os/file.h"

namespace proa::config {

// "" when the variable is not set.
std::string environment(const char* name);
// Where the user's files of all programs lie: XDG_CONFIG_HOME, ~/.config.
os::Path config_home();

// What the command line says; wins over PROA_ROOT and PROA_RUNROOT. Relative paths count from the working directory.
struct PathOverrides {
  std::optional<std::string> root;     // --root
  std::optional<std::string> runroot;  // --runroot
};

struct Paths {
  os::Path data;    // images, layers, containers; survives a reboot
  os::Path run;     // sockets and what is true of running containers only; another one after a reboot
  os::Path cache;   // may be deleted at any time
  os::Path config;  // proa.toml of this user; not made by us

  // Makes data, run and cache as far as they are missing (mode 0700), and checks that they belong to us, that nobody
  // else may write to them and that we may. Errors say which variable or flag chose the directory.
  void make() const;

  // Whether this is the first time since the machine started that this user would be told of `what`: for notes that are
  // worth a line, but not one at every command.
  bool first_time(std::string_view what) const;

  // Puts the choice into the environment (PROA_ROOT, PROA_RUNROOT, PROA_CACHE, PROA_CONFIG), so that children choose
  // the same, also when they run inside our user namespace, where they are uid 0.
  void export_to_environment() const;
};

// Chooses, makes nothing. Call before os::enter_user_namespace. XDG directories and a HOME that belong to another user
// are ignored (sudo and su leave them behind), and a line says so. Without a usable XDG_RUNTIME_DIR it is /run/user/UID
// where that is ours, else a directory below `data`, named for this boot. Throws where no home directory can be found,
// and for programs that run with more rights than their caller (setuid).
Paths find_paths(const PathOverrides& overrides = {});
// `data` as this process chose it last; empty: not yet. For hints.
const os::Path& chosen_data();

}  // namespace proa::config
