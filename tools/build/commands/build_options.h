// The command line of `build`, and what it means.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcommon/cli/command.h"
#include "tools/build/builder.h"
#include "tools/build/commands/build_input.h"

namespace proa::build {

struct BuildOptions {
  std::vector<std::string> positionals;
  std::optional<std::string> file, ignore_file;
  std::vector<std::string> tags, build_args, labels, annotations, secrets, agents, hosts, ulimits, cap_add, cap_drop;
  std::vector<std::string> dns, dns_search, dns_options, platforms;
  std::string target, network, format = "oci", progress = "auto", pull = "missing", isolation;
  std::optional<std::string> iidfile, timestamp, source_date_epoch, shm_size, root, runroot;
  bool no_cache = false, quiet = false, squash = false, force_rm = true, rm = true;
  std::optional<bool> layers;
};

void declare_build_options(cli::CommandBuilder<BuildOptions>& builder);

// Throws Unsupported for what is understood but not done.
void refuse_unsupported(const BuildOptions& options);
ImageSettings image_settings(const BuildOptions& options);
BuildRequest build_request(const BuildOptions& options, const BuildInput& input);

}  // namespace proa::build
