// proa.toml: what a user sets once instead of with every command. Flags win over it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libcommon/config/paths.h"

namespace proa::config {

struct Settings {
  std::string log_level;            // log_level = "debug"
  std::string runtime;              // [run] runtime = "crun": a name or a path; empty: the built-in one
  std::string network;              // [run] network = "none"
  std::optional<int> stop_timeout;  // [run] stop_timeout = 10 (seconds)
  std::optional<int> jobs;          // [copy] jobs = 4: transfers at a time

  bool operator==(const Settings&) const = default;
};

// Reads a text. InvalidArgument, with the line, when it is no TOML, has a key we do not know or a value of another
// type. `name` is the file's, for messages.
Settings parse_settings(std::string_view text, std::string_view name);

// proa.toml of the machine (/etc/proa), then that of the user over it. Files that are not there cost one failed open
// each.
Settings load_settings(const Paths& paths);

}  // namespace proa::config
