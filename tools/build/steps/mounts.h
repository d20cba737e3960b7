// RUN --mount: from requests to mounts of the step. Sources are opened below their root and mounted by descriptor.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/os/lock.h"
#include "libcommon/runtime/container_spec.h"
#include "tools/build/containerfile/instruction.h"
#include "tools/build/graph/baton.h"
#include "tools/build/steps/session.h"
#include "tools/build/steps/source_tree.h"

namespace proa::build {

// --secret and --ssh.
struct SecretSource {
  std::string path, variable;  // one of them
};
struct Secrets {
  std::map<std::string, SecretSource> secrets;
  std::map<std::string, std::string> agents;  // id to the socket's path

  // "id=x,src=path", "id=x,env=VAR", "id=x" (a variable of that name, else a file). Throws InvalidArgument.
  void add_secret(const std::string& text);
  // "default", "id=path".
  void add_agent(const std::string& text);
};

// The mounts of one step, alive while it runs.
class StepMounts {
 public:
  StepMounts(Session& session, const Secrets& secrets, Baton& baton)
      : session_(session), secrets_(secrets), baton_(baton) {}
  ~StepMounts();

  // The root of a stage or image, to be a bind mount's tree.
  SourceTree* mount_tree(const Snapshot& snapshot, const std::string& name);
  // `tree`: where a bind mount's files are, or what a cache begins with; nullptr for the other types.
  void add(const MountRequest& request, SourceTree* tree, const std::string& cwd);
  // A file of ours in a folder of the step (the script of a here-document), read-only.
  void add_file(const std::string& target, std::string_view content, mode_t mode);

  const std::vector<runtime::MountRequest>& mounts() const { return mounts_; }
  const std::vector<std::string>& env() const { return env_; }
  // Mount points and whether they are folders.
  const std::vector<std::pair<std::string, bool>>& targets() const { return targets_; }

 private:
  void add_bind(const MountRequest& request, SourceTree& tree, const std::string& target);
  void add_cache(const MountRequest& request, const SourceTree* tree, const std::string& target);
  void fill_cache(const MountRequest& request, const SourceTree& tree, const os::Path& folder);
  void add_secret(const MountRequest& request, const std::string& cwd);
  void add_agent(const MountRequest& request, const std::string& cwd);
  os::FileLock wait_for_lock(const os::Path& path, os::FileLock::Mode mode);
  void bind(const os::UniqueFd& source, const std::string& target, bool read_only, bool is_folder);
  os::Path attach(const os::UniqueFd& mount, bool is_folder);

  Session& session_;
  const Secrets& secrets_;
  Baton& baton_;
  std::vector<runtime::MountRequest> mounts_;
  std::vector<std::string> env_;
  std::vector<std::pair<std::string, bool>> targets_;
  std::vector<std::unique_ptr<SourceTree>> trees_;
  std::vector<os::FileLock> locks_;
  std::vector<os::Path> attached_;
};

}  // namespace proa::build
