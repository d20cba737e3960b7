// What several verbs share.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "libcommon/cli/command.h"
#include "tools/run/engine/containers.h"
#include "tools/run/monitor/protocol.h"

namespace proa::commands {

engine::Containers open_containers();

// Containers to act on: those named, or all.
struct Selection {
  std::vector<std::string> names;
  bool all = false;
  bool latest = false;
  bool ignore = false;              // names that are not there
  std::vector<std::string> filter;  // --filter: all that match
};

// Runs `action` for each selected container and prints what it was called by. An error of one does not keep the others
// from their turn; the exit code is 125 then, or 1 where all that failed was that a name was not found.
int for_each(const engine::Containers& containers, const Selection& selection, bool running_only,
             const std::function<void(engine::Container)>& action);

// The same for what takes a while: `begin` only sets it going and returns what waits for its end, so that many
// containers take no longer than the slowest of them.
int for_each_at_once(const engine::Containers& containers, const Selection& selection, bool running_only,
                     const std::function<std::function<void()>(engine::Container)>& begin);

class ContainerFilter;
// Removes those that do not run and that the filter lets pass; prints their ids, returns the bytes.
std::uint64_t prune_containers(const engine::Containers& containers, const ContainerFilter& filter);

// Prints the monitor's failure and returns its exit code.
int report_failure(const monitor::Failure& failure);

// Asks on standard output whether `what` may be removed.
bool confirmed(const std::string& what);
// Disk use of a tree, as far as we may look into it.
std::uint64_t tree_size(const os::Path& path);
// A new file, or standard output when `path` is empty or "-"; a terminal takes no archive.
os::UniqueFd open_output(const std::string& path);
// The container made last. NotFound when there is none.
engine::Container get_latest(const engine::Containers& containers);

// Becomes another program; `words` with its name.
[[noreturn]] void exec_program(const std::string& program, std::vector<std::string> words);

// Prints text to stdout as it is.
void print(std::string_view text);

[[noreturn]] void not_supported(const std::string& flag, const std::string& what_to_do);

// A flag that peers have and we do not: it is understood and refused.
template <typename Options>
void refuse(cli::CommandBuilder<Options>& builder, const char* names, bool takes_value, const char* what_to_do) {
  const std::string flag = names;
  builder
      .custom(
          names,
          [flag, takes_value, hint = std::string(what_to_do)](Options&, const std::string& value) {
            if (!takes_value && !cli::parse_bool(value)) return;
            not_supported(flag, hint);
          },
          "Not supported", takes_value ? "VALUE" : "")
      .hide_last();
}

}  // namespace proa::commands
