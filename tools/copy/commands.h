// The verbs of proa-copy, one file each in commands/.
#pragma once

#include <vector>

#include "libcommon/cli/command.h"

namespace proa::copy {

cli::Command copy_command();
cli::Command delete_command();
cli::Command generate_sigstore_key_command();
cli::Command history_command();
cli::Command images_command(std::string name);
cli::Command image_diff_command();
cli::Command image_exists_command();
cli::Command image_inspect_command();
cli::Command image_mount_command();
cli::Command image_prune_command();
cli::Command image_scp_command();
cli::Command image_sign_command();
cli::Command image_tree_command();
cli::Command image_trust_group();
cli::Command image_unmount_command();
cli::Command import_command();
cli::Command inspect_command();
cli::Command list_tags_command();
cli::Command load_command();
cli::Command login_command();
cli::Command logout_command();
cli::Command manifest_digest_command();
cli::Command manifest_group();
cli::Command manifest_push_command();
cli::Command pull_command();
cli::Command push_command();
cli::Command rmi_command(std::string name);
cli::Command save_command();
cli::Command search_command();
cli::Command standalone_sign_command();
cli::Command standalone_verify_command();
cli::Command sync_command();
cli::Command tag_command();
cli::Command untag_command();
// For `proa system check|prune|df`, which run them as a child.
cli::Command store_check_command();
cli::Command store_prune_command();
cli::Command store_commit_command();
cli::Command store_df_command();
cli::Command store_unpack_command();
// For proa-build.
cli::Command fetch_command();

std::vector<cli::Command> commands();

}  // namespace proa::copy
