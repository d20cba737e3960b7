#include "tools/run/oci/lifecycle.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "libcommon/base/defer.h"
#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/os/pidfd.h"
#include "libcommon/os/socket.h"
#include "libcommon/os/user.h"
#include "libcommon/runtime/hooks.h"
#include "tools/run/oci/cgroups.h"
#include "tools/run/oci/oci.h"

namespace proa::run::oci {
namespace {

std::string absolute(const std::string& path) {
  std::array<char, PATH_MAX> resolved{};
  if (::realpath(path.c_str(), resolved.data()) == nullptr) throw system_error("bundle " + path);
  return resolved.data();
}

struct Prepared {
  proa::oci::RuntimeSpec spec;
  ContainerState state;
  runtime::LaunchRequest request;
};

void prepare(Prepared& prepared, const std::string& id, const CreateOptions& options) {
  auto& [spec, state, request] = prepared;
  state.id = id;
  state.bundle = absolute(options.bundle);
  spec = load_spec(state.bundle);
  if (!spec.process) throw Error(ErrorCode::InvalidArgument, "config.json: process is missing");
  if (spec.process->terminal && options.console_socket.empty() && ::isatty(0) != 1) {
    throw Error(ErrorCode::InvalidArgument, "config.json asks for a terminal, but there is no --console-socket");
  }
  state.created = format_rfc3339(now());
  state.owner = os::user_name(::geteuid()).value_or("");
  state.annotations = spec.annotations;
  state.cgroup = make_group(id, spec);
  request.spec = &spec;
  request.bundle = state.bundle;
  request.id = id;
  request.preserve_fds = static_cast<unsigned>(std::max<std::int64_t>(options.preserve_fds, 0));
  request.no_pivot = options.no_pivot;
  request.new_keyring = !options.no_new_keyring;
  request.seccomp_cache = runtime::default_seccomp_cache();
  request.cgroup_directory = state.cgroup;
  if (spec.hooks.prestart.empty() && spec.hooks.create_runtime.empty()) return;
  request.on_namespaces = [&prepared](pid_t pid) {
    prepared.state.pid = pid;
    std::string text = spec_state(prepared.state, Status::Creating);
    runtime::run_hooks(prepared.spec.hooks.prestart, text);
    runtime::run_hooks(prepared.spec.hooks.create_runtime, text);
  };
}

void record(ContainerState& state, pid_t pid) {
  state.pid = pid;
  state.start_time = os::process_start_time(pid).value_or(0);
  save(state);
}

void poststop(const ContainerState& state) {
  try {
    auto spec = load_spec(state.bundle);
    runtime::run_hooks(spec.hooks.poststop, spec_state(state, Status::Stopped));
  } catch (const Error& error) {
    // The specification wants these failures logged and the deletion finished; a bundle may be gone already.
    log::debug(error.what());
  }
}

ContainerState load_running(const std::string& id, std::initializer_list<Status> wanted) {
  auto state = load(id);
  Status status = status_of(state);
  if (std::find(wanted.begin(), wanted.end(), status) == wanted.end()) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("container {} is {}", id, status_name(status)));
  }
  return state;
}

}  // namespace

void send_console(const std::string& path, int master) {
  os::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    throw Error(ErrorCode::InvalidArgument, "the path of the console socket is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (!socket.valid() || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    throw system_error("connect to " + path);
  }
  os::send_message(socket.get(), "terminal", std::span(&master, 1));
}

void write_pid_file(const std::string& path, pid_t pid) {
  if (path.empty()) return;
  std::string staged = path + ".new";
  {
    os::UniqueFd fd = os::open(staged, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
    os::write_all(fd.get(), std::string_view(std::to_string(pid)), staged);
  }
  if (::rename(staged.c_str(), path.c_str()) != 0) throw system_error("rename " + staged);
}

void create(const std::string& id, const CreateOptions& options) {
  claim(id);
  Prepared prepared;
  Defer undo([&] {
    remove_group(prepared.state.cgroup);
    forget(id);
  });
  prepare(prepared, id, options);
  std::string fifo = state_directory(id) + "/exec.fifo";
  if (::mkfifo(fifo.c_str(), 0600) != 0) throw system_error("mkfifo " + fifo);
  os::UniqueFd start_fd = os::open(fifo, O_RDONLY | O_NONBLOCK);
  prepared.request.start_fd = start_fd.get();
  auto launched = runtime::launch(prepared.request);
  os::UniqueFd master = launched.wait_ready();
  if (master.valid() && !options.console_socket.empty()) send_console(options.console_socket, master.get());
  record(prepared.state, launched.pid());
  write_pid_file(options.pid_file, launched.pid());
  launched.leave_waiting();
  undo.dismiss();
}

void start(const std::string& id) {
  auto state = load_running(id, {Status::Created});
  std::string fifo = state_directory(id) + "/exec.fifo";
  {
    // Fails when the init has died meanwhile, instead of waiting for a reader.
    os::UniqueFd fd = os::open(fifo, O_WRONLY | O_NONBLOCK);
    os::write_all(fd.get(), std::string_view("s"), fifo);
  }
  if (::unlink(fifo.c_str()) != 0) throw system_error("unlink " + fifo);
  auto spec = load_spec(state.bundle);
  runtime::run_hooks(spec.hooks.poststart, spec_state(state, Status::Running));
}

int run(const std::string& id, const CreateOptions& options, bool keep) {
  claim(id);
  Prepared prepared;
  Defer undo([&] {
    remove_group(prepared.state.cgroup);
    forget(id);
  });
  prepare(prepared, id, options);
  auto launched = runtime::launch(prepared.request);
  os::UniqueFd master;
  if (prepared.spec.process->terminal) {
    master = launched.wait_ready();
    if (!options.console_socket.empty()) {
      send_console(options.console_socket, master.get());
      master.reset();
    }
  } else {
    launched.start_when_ready();  // the record is written while the init is at work
  }
  record(prepared.state, launched.pid());
  write_pid_file(options.pid_file, launched.pid());
  launched.start();
  runtime::run_hooks(prepared.spec.hooks.poststart, spec_state(prepared.state, Status::Running));
  int code = attend(launched.child(), std::move(master));
  runtime::run_hooks(prepared.spec.hooks.poststop, spec_state(prepared.state, Status::Stopped));
  if (keep) undo.dismiss();
  return code;
}

void kill(const std::string& id, int signal, bool all) {
  auto state = load_running(id, {Status::Created, Status::Running, Status::Paused});
  if (all && !state.cgroup.empty()) {
    auto group = os::Cgroup::open(state.cgroup);
    if (signal == SIGKILL) return group.kill_all();
    for (pid_t pid : group.processes()) ::kill(pid, signal);
    return;
  }
  os::UniqueFd process = os::pidfd_open(state.pid);
  if (os::process_start_time(state.pid) != state.start_time)
    throw Error(ErrorCode::NotFound, fmt::format("container {} has ended", id));
  os::pidfd_send_signal(process.get(), signal);
}

void remove(const std::string& id, bool force) {
  using namespace std::chrono_literals;
  ContainerState state;
  try {
    state = load(id);
  } catch (const Error& error) {
    if (force && error.code() == ErrorCode::NotFound) return forget(id);
    throw;
  }
  Status status = status_of(state);
  if (status == Status::Running || status == Status::Paused) {
    if (!force)
      throw Error(ErrorCode::InvalidArgument, fmt::format("container {} is {}", id, status_name(status)),
                  "use --force to kill it");
  }
  if (status != Status::Stopped) {
    if (!state.cgroup.empty() && status == Status::Paused) os::Cgroup::open(state.cgroup).freeze(false);
    kill(id, SIGKILL, false);
    // Its parent reaps it; all that is waited for is the end.
    auto deadline = std::chrono::steady_clock::now() + 10s;
    while (status_of(state) != Status::Stopped) {
      if (std::chrono::steady_clock::now() > deadline)
        throw Error(ErrorCode::Unavailable, fmt::format("container {} does not end", id));
      ::usleep(2000);
    }
  }
  remove_group(state.cgroup);
  forget(id);
  poststop(state);
}

void pause(const std::string& id, bool paused) {
  auto state = load_running(id, {paused ? Status::Running : Status::Paused});
  if (state.cgroup.empty())
    throw Error(ErrorCode::Unsupported, "pausing needs a cgroup v2, and none is delegated to us");
  os::Cgroup::open(state.cgroup).freeze(paused);
}

}  // namespace proa::run::oci
