// From words to a command's options. Behaves as Go's pflag does, since that is what users of docker and podman know.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libcommon/cli/command.h"

namespace proa::cli {

struct Parsed {
  std::shared_ptr<void> options;
  bool help = false;  // --help was given; nothing else was looked at
};

// Fills the options of `command` from `words` (everything after the verb). InvalidArgument names the flag or argument
// at fault.
Parsed parse(const Command& command, const std::vector<std::string>& words);

// "Usage: proa-run stop [OPTIONS] CONTAINER [CONTAINER...]", summary and flags, 100 columns.
std::string help_text(const std::string& program, const std::vector<std::string>& verb, const Command& command);
std::string program_help(const Program& program);

// The command table as JSON: {"program":…, "commands":[{"name":…,"flags":[…],"subcommands":[…]}]}.
std::string command_table(const Program& program);

}  // namespace proa::cli
