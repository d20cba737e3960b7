#include "tools/build/steps/mounts.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "libcommon/base/error.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/paths.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/spec/csv.h"
#include "tools/build/refuse.h"
#include "tools/build/steps/copy_files.h"
#include "tools/build/steps/metadata.h"

namespace proa::build {
namespace {

constexpr auto kLockInterval = std::chrono::milliseconds(50);
constexpr std::uint64_t kMaxSecret = 500u << 10;

// Regular files only, never blocking: a secret may be named by anybody.
std::string read_secret(const SecretSource& source, const std::string& id) {
  While reading{[&] { return fmt::format("secret {}", escape_control(id)); }};
  if (!source.variable.empty()) {
    const char* value = std::getenv(source.variable.c_str());
    if (value == nullptr) throw Error(ErrorCode::NotFound, fmt::format("variable {} is not set", source.variable));
    return value;
  }
  os::UniqueFd fd = os::open_regular(source.path, kMaxSecret);
  return os::read_fd(fd.get(), kMaxSecret, source.path);
}

}  // namespace

void Secrets::add_secret(const std::string& text) {
  SecretSource source;
  std::string id;
  for (const std::string& field : spec::split_csv(text, "--secret")) {
    auto pair = cut(field, "=");
    if (!pair) fail(fmt::format("invalid field '{}' must be a key=value pair", escape_control(field)));
    std::string key = to_lower(pair->first), value(pair->second);
    if (key == "id") {
      id = value;
    } else if (key == "src" || key == "source") {
      source.path = value;
    } else if (key == "env") {
      source.variable = value;
    } else if (key != "type" || (value != "file" && value != "env")) {
      fail(fmt::format("unexpected key '{}' in '{}'", escape_control(key), escape_control(field)));
    } else if (value == "env" && source.variable.empty()) {
      source.variable = id;
    }
  }
  if (id.empty()) fail("a secret needs an id");
  if (source.path.empty() && source.variable.empty()) {
    (std::getenv(id.c_str()) != nullptr ? source.variable : source.path) = id;
  }
  // Now, and not in the middle of the build.
  if (source.variable.empty()) {
    While checking{[&] { return fmt::format("secret {}", escape_control(id)); }};
    os::stat(source.path, AT_FDCWD, 0);
  }
  secrets[id] = std::move(source);
}

void Secrets::add_agent(const std::string& text) {
  auto pair = cut(text, "=");
  std::string id(pair ? pair->first : std::string_view(text));
  const char* agent = std::getenv("SSH_AUTH_SOCK");
  std::string path = pair ? std::string(pair->second) : agent != nullptr ? agent : "";
  if (path.empty()) fail(fmt::format("--ssh {}: SSH_AUTH_SOCK is not set", escape_control(id)));
  struct stat st = os::stat(path, AT_FDCWD, 0);
  if (!S_ISSOCK(st.st_mode)) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("--ssh {}: {} is no socket of an agent", escape_control(id), escape_control(path)),
                "keys as files are not supported: load them into ssh-agent");
  }
  agents[id.empty() ? "default" : id] = path;
}

StepMounts::~StepMounts() {
  trees_.clear();
  // In the mount namespace of this process only; what fails to go goes with it.
  for (auto path = attached_.rbegin(); path != attached_.rend(); ++path)
    ::umount2(path->c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

// Puts a detached mount on a place of ours: the step's first process, in a copy of our mount namespace, can bind from
// there.
os::Path StepMounts::attach(const os::UniqueFd& mount, bool is_folder) {
  os::Path path = session_.scratch_dir("mount");
  if (!is_folder) {
    path = os::join(path, "file");
    os::open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  }
  os::UniqueFd target = os::open(path, O_PATH | O_NOFOLLOW);
  os::attach_mount(mount.get(), target.get(), path);
  attached_.push_back(path);
  return path;
}

// The source is mounted by its descriptor: where its path leads to by now does not matter.
void StepMounts::bind(const os::UniqueFd& source, const std::string& target, bool read_only, bool is_folder) {
  runtime::MountRequest mount;
  mount.source = attach(os::clone_mount_fd(source.get(), true, target), is_folder);
  mount.target = target;
  mount.read_only = read_only;
  mount.options = {"nodev"};
  mounts_.push_back(std::move(mount));
  targets_.emplace_back(target, is_folder);
}

SourceTree* StepMounts::mount_tree(const Snapshot& snapshot, const std::string& name) {
  os::Path root = attach(session_.mount_read_only(snapshot), true);
  trees_.push_back(std::make_unique<SourceTree>(os::Dir::open(root), IgnoreRules(), escape_control(name)));
  return trees_.back().get();
}

void StepMounts::add(const MountRequest& request, SourceTree* tree, const std::string& cwd) {
  std::string target = request.target.empty() ? "" : join_workdir(cwd, request.target);
  switch (request.type) {
    case MountType::Bind:
      PROA_CHECK(tree != nullptr);
      return add_bind(request, *tree, target);
    case MountType::Cache:
      return add_cache(request, tree, target);
    case MountType::Tmpfs: {
      runtime::MountRequest mount;
      mount.kind = runtime::MountRequest::Kind::Tmpfs;
      mount.target = target;
      mount.options = {"nosuid", "nodev"};
      if (request.size > 0) mount.options.push_back(fmt::format("size={}", request.size));
      mounts_.push_back(std::move(mount));
      targets_.emplace_back(target, true);
      return;
    }
    case MountType::Secret:
      return add_secret(request, cwd);
    case MountType::Ssh:
      return add_agent(request, cwd);
  }
}

void StepMounts::add_bind(const MountRequest& request, SourceTree& tree, const std::string& target) {
  std::vector<Source> found = tree.select(request.source);
  if (found.size() != 1) fail(fmt::format("bind source {} names no or several files", escape_control(request.source)));
  Source& source = found.front();
  bool is_folder = source.is_folder();
  if (request.read_only && !tree.filters()) return bind(source.fd, target, true, is_folder);
  if (is_folder && !tree.filters()) {
    // Writable is a layer over it that is thrown away.
    os::Path scratch = session_.scratch_dir("bind");
    os::OverlayPlan overlay{.lowers = {os::fd_path(source.fd.get())},
                            .upper = os::join(scratch, "upper"),
                            .work = os::join(scratch, "work"),
                            .user_xattr = session_.plan().mode != os::IdMode::Root,
                            .no_sync = true};
    os::make_dirs(overlay.upper, 0755);
    os::make_dirs(overlay.work, 0700);
    os::Path merged = attach(os::mount_overlay(overlay), true);
    return bind(os::open(merged, O_PATH | O_DIRECTORY), target, false, true);
  }
  // A copy: of a single file, or of a folder without what is ignored.
  os::Path scratch = session_.scratch_dir("bind");
  os::Dir root = os::Dir::open(scratch);
  std::string name = is_folder ? "/folder" : "/file";
  CopyRequest copy{name, false, Owner(session_.plan().mode, Ownership{}), std::nullopt, IgnoreRules()};
  CopyFiles(root, copy).copy(tree, source);
  bind(root.open_in_root(name, O_PATH), target, request.read_only, is_folder);
}

// A step of this very build may have it: others must be able to go on meanwhile.
os::FileLock StepMounts::wait_for_lock(const os::Path& path, os::FileLock::Mode mode) {
  while (true) {
    if (auto lock = os::FileLock::try_acquire(path, mode)) return std::move(*lock);
    Baton::Pause pause(baton_);
    std::this_thread::sleep_for(kLockInterval);
  }
}

// What a new cache begins with: a folder of another stage or image.
void StepMounts::fill_cache(const MountRequest& request, const SourceTree& tree, const os::Path& folder) {
  CopyRequest copy{"/", true, Owner(session_.plan().mode, std::nullopt), std::nullopt, {}};
  os::Dir root = os::Dir::open(folder);
  for (const Source& source : tree.select(request.source.empty() ? "." : request.source)) {
    CopyFiles(root, copy).copy(tree, source);
  }
}

void StepMounts::add_cache(const MountRequest& request, const SourceTree* tree, const std::string& target) {
  // The id is a name from a file of anybody: its digest names the folder.
  os::Path caches = os::join(config::find_paths().cache, "build");
  std::string name(io::digest_of(request.id.empty() ? target : request.id).hex());
  os::Path folder = os::join(caches, name);
  os::make_dirs(caches, 0700);
  CacheSharing sharing = request.sharing.value_or(CacheSharing::Shared);
  auto mode = sharing == CacheSharing::Shared ? os::FileLock::Mode::Shared : os::FileLock::Mode::Exclusive;
  if (sharing == CacheSharing::Private) {
    // In use elsewhere: the step gets an empty one of its own.
    auto lock = os::FileLock::try_acquire(folder + ".lock", mode);
    if (lock) {
      locks_.push_back(std::move(*lock));
    } else {
      folder = os::join(session_.scratch_dir("cache"), "folder");
    }
  } else {
    locks_.push_back(wait_for_lock(folder + ".lock", mode));
  }
  bool made = !os::exists(folder);
  if (made) {
    // Complete before it has its name: a step that is killed here leaves no half of it.
    os::Path fresh = folder + ".new-" + random_hex(8);
    os::make_dirs(fresh, 0755);
    if (tree != nullptr) fill_cache(request, *tree, fresh);
    if (::rename(fresh.c_str(), folder.c_str()) != 0) {
      int error = errno;
      os::remove_tree(fresh);
      // Another one that shares it was faster.
      if (error != EEXIST && error != ENOTEMPTY) throw system_error("make " + folder, error);
      made = false;
    }
  }
  os::UniqueFd fd = os::open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (made) {
    if (::chmod(os::fd_path(fd.get()).c_str(), request.mode.value_or(0755)) != 0) throw system_error("chmod " + folder);
    Owner(session_.plan().mode, Ownership{request.uid.value_or(0), request.gid.value_or(0)}).apply(fd.get(), folder);
  }
  bind(fd, target, request.read_only, true);
}

void StepMounts::add_secret(const MountRequest& request, const std::string& cwd) {
  std::string id = !request.id.empty() ? request.id : !request.source.empty() ? request.source : request.target;
  if (request.id.empty() && request.source.empty()) id = id.substr(id.find_last_of('/') + 1);
  auto given = secrets_.secrets.find(id);
  if (given == secrets_.secrets.end()) {
    if (!request.required) return;
    throw Error(ErrorCode::NotFound, fmt::format("secret {} is required, but not given", escape_control(id)),
                "give it with --secret id=" + id + ",src=FILE");
  }
  std::string content = read_secret(given->second, id);
  if (request.env) env_.push_back(*request.env + "=" + content);
  if (request.env && request.target.empty()) return;
  // Memory only: no disk ever holds it.
  os::Path folder = attach(os::new_filesystem("tmpfs", {{"mode", "0700"}}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV), true);
  os::UniqueFd file = os::open(os::join(folder, "secret"), O_WRONLY | O_CREAT | O_EXCL, 0400);
  os::write_all(file.get(), content, "a secret");
  Owner(session_.plan().mode, Ownership{request.uid.value_or(0), request.gid.value_or(0)})
      .apply(file.get(), "a secret");
  if (::fchmod(file.get(), request.mode.value_or(0400)) != 0) throw system_error("chmod a secret");
  std::string target = request.target.empty() ? "/run/secrets/" + id : join_workdir(cwd, request.target);
  bind(os::open(os::join(folder, "secret"), O_PATH), target, true, false);
}

void StepMounts::add_agent(const MountRequest& request, const std::string& cwd) {
  std::string id = request.id.empty() ? "default" : request.id;
  auto given = secrets_.agents.find(id);
  if (given == secrets_.agents.end()) {
    if (!request.required) return;
    throw Error(ErrorCode::NotFound, fmt::format("ssh agent {} is required, but not given", escape_control(id)),
                "give it with --ssh " + id);
  }
  std::string target = request.target.empty() ? fmt::format("/run/buildkit/ssh_agent.{}", env_.size())
                                              : join_workdir(cwd, request.target);
  bind(os::open(given->second, O_PATH), target, false, false);
  env_.push_back("SSH_AUTH_SOCK=" + target);
}

void StepMounts::add_file(const std::string& target, std::string_view content, mode_t mode) {
  os::Path path = os::join(session_.scratch_dir("file"), "content");
  os::UniqueFd file = os::open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  os::write_all(file.get(), content, path);
  if (::fchmod(file.get(), mode) != 0) throw system_error("chmod " + path);
  file.reset();
  bind(os::open(path, O_PATH), target, true, false);
}

}  // namespace proa::build
