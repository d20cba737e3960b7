// Git repositories, by the git program: with no configuration, hooks or helpers of the host.
#pragma once

#include <string>

#include "libcommon/os/file.h"
#include "tools/build/sources/git_ref.h"

namespace proa::build {

// The commit that a reference names now, as 40 (64) hex digits; checked against ref.checksum. `agent`: the socket of an
// ssh agent, may be empty. Throws NotFound or Unavailable.
std::string resolve_commit(const GitRef& ref, const std::string& agent);

// The files of a commit in the existing, empty `folder`; with or without .git.
void checkout_commit(const GitRef& ref, const std::string& commit, const os::Path& folder, bool keep_git_dir,
                     const std::string& agent);

}  // namespace proa::build
