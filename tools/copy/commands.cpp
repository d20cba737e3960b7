#include "tools/copy/commands.h"

namespace proa::copy {

namespace {

cli::Command image_group() {
  return cli::group("image", "Manage images",
                    {image_diff_command(),    image_exists_command(), history_command(),    import_command(),
                     image_inspect_command(), load_command(),         images_command("ls"), image_mount_command(),
                     image_prune_command(),   pull_command(),         push_command(),       rmi_command("rm"),
                     save_command(),          image_scp_command(),    image_sign_command(), search_command(),
                     tag_command(),           image_tree_command(),   image_trust_group(),  image_unmount_command(),
                     untag_command()});
}

}  // namespace

std::vector<cli::Command> commands() {
  return {copy_command(),
          delete_command(),
          fetch_command(),
          generate_sigstore_key_command(),
          standalone_sign_command(),
          standalone_verify_command(),
          history_command(),
          image_group(),
          images_command("images"),
          import_command(),
          inspect_command(),
          list_tags_command(),
          load_command(),
          login_command(),
          logout_command(),
          manifest_group(),
          manifest_digest_command(),
          pull_command(),
          push_command(),
          rmi_command("rmi"),
          save_command(),
          search_command(),
          store_check_command(),
          store_prune_command(),
          store_commit_command(),
          store_df_command(),
          store_unpack_command(),
          sync_command(),
          tag_command(),
          untag_command()};
}

}  // namespace proa::copy
