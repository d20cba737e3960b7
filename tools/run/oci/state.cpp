#include "tools/run/oci/state.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/paths.h"
#include "libcommon/oci/json.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/file.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/process.h"
#include "tools/run/oci/oci.h"

namespace proa::run::oci {
namespace {

constexpr std::uint64_t kMaxState = 1u << 20;
constexpr std::size_t kMaxId = 255;

void check_id(const std::string& id) {
  auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '+' || c == '.';
  };
  bool good =
      !id.empty() && id.size() <= kMaxId && id != "." && id != ".." && std::all_of(id.begin(), id.end(), allowed);
  if (!good) throw Error(ErrorCode::InvalidArgument, fmt::format("'{}' is no container id", escape_control(id)));
}

}  // namespace

const char* status_name(Status status) {
  switch (status) {
    case Status::Creating:
      return "creating";
    case Status::Created:
      return "created";
    case Status::Running:
      return "running";
    case Status::Paused:
      return "paused";
    case Status::Stopped:
      return "stopped";
  }
  return "unknown";
}

std::string state_root() {
  if (!globals().root.empty()) return globals().root;
  // An engine calls us as uid 0 of its user namespace; the runtime directory is the user's all the same.
  const char* runtime_dir = std::getenv("XDG_RUNTIME_DIR");
  if (runtime_dir != nullptr && runtime_dir[0] == '/' && ::geteuid() == 0 && os::in_user_namespace()) {
    return std::string(runtime_dir) + "/proa/oci";
  }
  return config::find_paths().run + "/oci";
}

std::string state_directory(const std::string& id) {
  check_id(id);
  return os::join(state_root(), id);
}

void claim(const std::string& id) {
  std::string directory = state_directory(id);
  if (::mkdir(directory.c_str(), 0700) == 0) return;
  if (errno == ENOENT) {
    os::make_dirs(state_root());
    if (::mkdir(directory.c_str(), 0700) == 0) return;
  }
  if (errno == EEXIST) throw Error(ErrorCode::AlreadyExists, fmt::format("container with id {} exists already", id));
  throw system_error("mkdir " + directory);
}

void save(const ContainerState& state) {
  nlohmann::json object = {{"version", 1},
                           {"id", state.id},
                           {"bundle", state.bundle},
                           {"created", state.created},
                           {"owner", state.owner},
                           {"pid", state.pid},
                           {"startTime", state.start_time},
                           {"cgroup", state.cgroup},
                           {"annotations", state.annotations}};
  std::string path = state_directory(state.id) + "/state.json";
  std::string staged = path + ".new";
  {
    os::UniqueFd fd = os::open(staged, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    os::write_all(fd.get(), std::string_view(object.dump()), staged);
  }
  if (::rename(staged.c_str(), path.c_str()) != 0) throw system_error("rename " + staged);
}

ContainerState load(const std::string& id) {
  std::string path = state_directory(id) + "/state.json";
  auto text = os::try_read_file(path, kMaxState);
  if (!text) throw Error(ErrorCode::NotFound, fmt::format("container {} does not exist", id));
  auto document = proa::oci::parse_json(*text, path, kMaxState);
  proa::oci::JsonObject object(document, path);
  ContainerState state;
  state.id = id;
  state.bundle = object.require_string("bundle");
  state.created = object.string_or_empty("created");
  state.owner = object.string_or_empty("owner");
  state.pid = static_cast<pid_t>(object.require_integer("pid"));
  state.start_time = object.require_size("startTime");
  state.cgroup = object.string_or_empty("cgroup");
  state.annotations = object.string_map("annotations");
  return state;
}

std::vector<std::string> all_ids() {
  std::vector<std::string> ids;
  std::string root = state_root();
  if (!os::exists(root)) return ids;
  for (const auto& name : os::list_dir(root)) {
    if (os::exists(os::join(root, name) + "/state.json")) ids.push_back(name);
  }
  return ids;
}

Status status_of(const ContainerState& state) {
  if (state.pid <= 0) return Status::Creating;
  auto start = os::process_start_time(state.pid);
  if (!start || *start != state.start_time) return Status::Stopped;
  // A zombie keeps its number until somebody reaps it.
  auto stat = os::try_read_file(fmt::format("/proc/{}/stat", state.pid), 4096);
  auto fields = stat ? cut_last(*stat, ") ") : std::nullopt;
  if (!fields || fields->second.starts_with('Z') || fields->second.starts_with('X')) return Status::Stopped;
  if (os::exists(state_directory(state.id) + "/exec.fifo")) return Status::Created;
  if (!state.cgroup.empty()) {
    auto frozen = os::try_read_file(os::join(state.cgroup, "cgroup.freeze"), 16);
    if (frozen && frozen->starts_with('1')) return Status::Paused;
  }
  return Status::Running;
}

void forget(const std::string& id) {
  std::string directory = state_directory(id);
  for (const char* name : {"/exec.fifo", "/state.json.new", "/state.json"}) ::unlink((directory + name).c_str());
  if (::rmdir(directory.c_str()) != 0 && errno != ENOENT) os::remove_tree(directory);
}

proa::oci::RuntimeSpec load_spec(const std::string& bundle) {
  return proa::oci::RuntimeSpec::parse(os::read_file(os::join(bundle, "config.json"), proa::oci::kMaxRuntimeSpecSize));
}

std::string spec_state(const ContainerState& state, Status status) {
  int pid = status == Status::Stopped ? 0 : state.pid;
  return proa::oci::RuntimeState{"1.0.2", state.id, status_name(status), pid, state.bundle, state.annotations}.encode();
}

}  // namespace proa::run::oci
