#include "tools/build/commands/common_flags.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/spec/volumes.h"
#include "tools/build/refuse.h"

namespace proa::build {
namespace {}  // namespace

NetworkChoice parse_network(const std::string& text) {
  if (text.empty() || text == "default" || text == "private" || text == "pasta") return NetworkChoice::Default;
  if (text == "host") return NetworkChoice::Host;
  if (text == "none") return NetworkChoice::None;
  unsupported(fmt::format("--network={} is not supported for builds", escape_control(text)),
              "use default, host or none");
}

PullPolicy parse_pull_policy(const std::string& text) {
  if (text == "missing" || text == "ifmissing" || text == "false") return PullPolicy::Missing;
  if (text == "always" || text == "true" || text == "newer" || text == "ifnewer") return PullPolicy::Always;
  if (text == "never") return PullPolicy::Never;
  fail(fmt::format("--pull is always, missing or never, not '{}'", escape_control(text)));
}

std::vector<runtime::MountRequest> bind_volumes(const std::vector<std::string>& texts) {
  std::vector<runtime::MountRequest> mounts;
  char* cwd = ::get_current_dir_name();
  std::string here = cwd != nullptr ? cwd : "/";
  ::free(cwd);
  for (const std::string& text : texts) {
    spec::Mount volume = spec::parse_volume(text, here);
    if (volume.type != spec::MountType::Bind)
      unsupported("--volume takes a folder of the host here", "begin it with / or .");
    const While checking{[&] { return "--volume " + escape_control(text); }};
    (void)os::stat(volume.source, AT_FDCWD, 0);  // now, not in the middle of the build
    runtime::MountRequest mount;
    mount.source = volume.source;
    mount.target = volume.target;
    mount.read_only = volume.read_only;
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

}  // namespace proa::build
