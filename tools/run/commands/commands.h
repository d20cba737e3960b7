// One function for each verb; main.cpp puts them together.
#pragma once

#include "libcommon/cli/command.h"

namespace proa::commands {

cli::Command run_command();
cli::Command create_command();
cli::Command start_command();
cli::Command stop_command();
cli::Command restart_command();
cli::Command kill_command();
cli::Command rm_command();
cli::Command wait_command();
cli::Command pause_command();
cli::Command unpause_command();
cli::Command rename_command();
cli::Command ps_command();
cli::Command port_command();
cli::Command inspect_command();
cli::Command logs_command();
cli::Command attach_command();
cli::Command exec_command();
cli::Command top_command();
cli::Command info_command();
cli::Command version_command();
cli::Command unshare_command();
cli::Command prune_command();  // of containers
cli::Command system_group();
cli::Command container_group();
cli::Command container_inspect_command();
cli::Command healthcheck_group();
cli::Command network_group();
cli::Command secret_group();
cli::Command init_command();
cli::Command stats_command();
cli::Command update_command();
cli::Command events_command();
cli::Command cp_command();
cli::Command diff_command();
cli::Command export_command();
cli::Command commit_command();
cli::Command mount_command();
cli::Command unmount_command();
cli::Command volume_group();

}  // namespace proa::commands
