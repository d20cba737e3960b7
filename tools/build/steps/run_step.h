// RUN: a command in a container whose root is the stage's, without a record of it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/oci/runtime_spec.h"
#include "libcommon/os/process.h"
#include "libcommon/runtime/container_spec.h"
#include "tools/build/graph/baton.h"
#include "tools/build/progress/progress.h"
#include "tools/build/steps/copy_files.h"
#include "tools/build/steps/session.h"

namespace proa::build {

enum class NetworkChoice { Default, Host, None };

// What holds for every RUN of a build, from its command line.
struct RunSettings {
  NetworkChoice network = NetworkChoice::Default;
  std::vector<std::pair<std::string, std::string>> hosts;  // --add-host: name, address
  std::vector<oci::Rlimit> rlimits;
  std::vector<std::string> cap_add, cap_drop;
  std::uint64_t shm_size = 65536000;
  std::vector<std::string> dns, dns_search, dns_options;
  std::vector<std::string> volumes;  // as given, for cache keys
  std::vector<runtime::MountRequest> volume_mounts;
  runtime::SeccompChoice seccomp;
};

struct RunRequest {
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string user, cwd;
  NetworkChoice network = NetworkChoice::Default;
  bool insecure = false;
  std::vector<runtime::MountRequest> mounts;
  std::string hostname = "build";
};

// Mount points of a step: a folder to put below all layers, so that no layer ever holds them.
os::Path make_stubs(Session& session, const std::vector<std::pair<std::string, bool>>& targets);

struct RunContext {
  Session& session;
  Progress& progress;
  Baton& baton;  // held; others work while the command runs
  Progress::Id step;
  const RunSettings& settings;
};

// The same with our own standard streams; returns how the command ended.
os::WaitStatus run_attached(const RunContext& context, const RunRequest& request, const WorkRoot& root);

// Throws when the command does not end with 0; the text has its status. Returns whose the command was.
Ownership run_command(const RunContext& context, const RunRequest& request, const WorkRoot& root);

}  // namespace proa::build
