// The command line of `build`, and what it means.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcommon/cli/command.h"
#include "tools/build/builder.h"
#include "tools/build/commands/build_input.h"
#include "tools/build/output/output_spec.h"

namespace proa::build {

struct BuildOptions {
  std::vector<std::string> positionals;
  std::optional<std::string> file, ignore_file;
  std::vector<std::string> tags, build_args, build_arg_files, labels, annotations, secrets, agents, hosts, ulimits;
  std::vector<std::string> cap_add, cap_drop, dns, dns_search, dns_options, platforms, contexts, outputs, allowed;
  std::vector<std::string> no_cache_filters, env, unset_env, unset_labels, volumes, security;
  std::string target, network, format = "oci", progress = "auto", pull = "missing", isolation, call = "build";
  std::optional<std::string> iidfile, metadata_file, timestamp, source_date_epoch, shm_size, root, runroot, logfile;
  std::vector<std::string> registry_flags;  // for proa-copy
  unsigned jobs = 0;
  bool no_cache = false, quiet = false, squash = false, force_rm = true, rm = true, push = false, load = false;
  bool check = false, omit_history = false, rewrite_timestamp = false, http_proxy = true, moot = false;
  std::string moot_value;  // of flags that are accepted and mean nothing here
  std::optional<bool> layers;
};

// build_flags.cpp
void declare_build_options(cli::CommandBuilder<BuildOptions>& builder);

// Throws Unsupported for what is understood but not done.
void refuse_unsupported(const BuildOptions& options);
ImageSettings image_settings(const BuildOptions& options);
BuildRequest build_request(const BuildOptions& options, const BuildInput& input);
// What --output, --push and --load ask for; at least one.
std::vector<OutputSpec> outputs_of(const BuildOptions& options);
Timestamps timestamps_of(const BuildOptions& options);

}  // namespace proa::build
