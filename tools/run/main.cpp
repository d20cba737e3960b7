#include <malloc.h>

#include <algorithm>
#include <string_view>

#include "libcommon/cli/command.h"
#include "libcommon/config/hints.h"
#include "libcommon/runtime/self.h"
#include "tools/run/commands/commands.h"
#include "tools/run/oci/oci.h"

namespace {

namespace cmd = proa::commands;

struct Verb {
  std::string_view name;
  proa::cli::Command (*make)();
  bool enters_containers = false;  // a process of ours is seen from inside
};

constexpr Verb kVerbs[] = {
    {"run", cmd::run_command, true},
    {"create", cmd::create_command, true},
    {"start", cmd::start_command, true},
    {"stop", cmd::stop_command},
    {"restart", cmd::restart_command, true},
    {"kill", cmd::kill_command},
    {"rm", cmd::rm_command},
    {"wait", cmd::wait_command},
    {"pause", cmd::pause_command},
    {"unpause", cmd::unpause_command},
    {"rename", cmd::rename_command},
    {"ps", cmd::ps_command},
    {"port", cmd::port_command},
    {"inspect", cmd::inspect_command},
    {"logs", cmd::logs_command},
    {"attach", cmd::attach_command},
    {"exec", cmd::exec_command, true},
    {"top", cmd::top_command},
    {"network", cmd::network_group},
    {"secret", cmd::secret_group},
    {"init", cmd::init_command},
    {"stats", cmd::stats_command},
    {"update", cmd::update_command},
    {"healthcheck", cmd::healthcheck_group, true},
    {"events", cmd::events_command},
    {"cp", cmd::cp_command},
    {"diff", cmd::diff_command},
    {"export", cmd::export_command},
    {"commit", cmd::commit_command},
    {"mount", cmd::mount_command},
    {"unmount", cmd::unmount_command},
    {"info", cmd::info_command},
    {"version", cmd::version_command},
    {"unshare", cmd::unshare_command, true},
    {"system", cmd::system_group},
    {"container", cmd::container_group, true},
    {"volume", cmd::volume_group},
    {"oci", proa::run::oci::oci_command},
};

// The verb that is meant, unless the words need the whole table: help, a mistake.
const Verb* find_verb(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--root" || word == "--runroot" || word == "--log-level" || word == "-l") {
      ++i;
    } else if (word.starts_with("--root=") || word.starts_with("--runroot=") || word.starts_with("--log-level=")) {
      continue;
    } else {
      const auto* found =
          std::find_if(std::begin(kVerbs), std::end(kVerbs), [&](const Verb& v) { return v.name == word; });
      return found == std::end(kVerbs) ? nullptr : found;
    }
  }
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  // Large buffers get pages of their own, also after one of them was freed: what a monitor keeps would lie between
  // them.
  ::mallopt(M_MMAP_THRESHOLD, 64 << 10);
  if (auto code = proa::run::oci::run_as_runtime(argc, argv)) return *code;
  const Verb* verb = find_verb(argc, argv);
  if (verb != nullptr && verb->enters_containers) proa::runtime::protect_own_binary(argv);
  proa::cli::Program program{"proa-run", "Run containers", {}};
  program.hint = proa::config::hint_for;
  // The tables of all verbs are some hundred flags, and a monitor would keep them for its life.
  if (verb != nullptr) {
    program.commands.push_back(verb->make());
  } else {
    for (const auto& each : kVerbs) program.commands.push_back(each.make());
  }
  return proa::cli::run_program(program, argc, argv);
}
