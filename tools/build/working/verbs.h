// buildah's verbs, one file for each theme.
#pragma once

#include <string>
#include <vector>

#include "libcommon/cli/command.h"

namespace proa::build {

cli::Command from_command();
cli::Command run_command_verb();
cli::Command copy_verb();
cli::Command add_verb();
cli::Command config_command();
cli::Command commit_command();
cli::Command containers_command();
cli::Command rm_command();
cli::Command rename_command();
cli::Command inspect_command();
cli::Command mount_command();
cli::Command umount_command();

// The program of ours that does a verb which is not proa-build's: tag, push, pull, images, manifest, ...; empty: none.
std::string program_of_verb(const std::string& verb);
// Replaces this process by that program. Throws when it cannot be started.
[[noreturn]] void forward_to(const std::string& program, const std::vector<std::string>& words);

}  // namespace proa::build
