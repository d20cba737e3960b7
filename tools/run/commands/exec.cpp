// exec: one more process in a running container. It is a child of this command; the monitor has no part in it.
#include <errno.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "libcommon/base/error.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/event_loop.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/pidfd.h"
#include "libcommon/os/tty.h"
#include "libcommon/runtime/exec.h"
#include "libcommon/runtime/identity.h"
#include "libcommon/spec/env_file.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/engine/attach.h"
#include "tools/run/engine/events.h"
#include "tools/run/engine/exec_process.h"

namespace proa::commands {
namespace {

struct ExecOptions {
  std::vector<std::string> words;  // CONTAINER COMMAND [ARG...]
  bool detach = false, interactive = false, tty = false, privileged = false, latest = false;
  std::vector<std::string> env, env_file;
  std::optional<std::string> user, workdir;
  std::string detach_keys = "ctrl-p,ctrl-q";
  std::optional<std::string> cidfile;
  int preserve_fds = 0;
  bool no_session = false;
};

void set_variable(std::vector<std::string>& env, const std::string& name, const std::string& value, bool replace) {
  const std::string prefix = name + "=";
  for (auto& entry : env) {
    if (!entry.starts_with(prefix)) continue;
    if (replace) entry = prefix + value;
    return;
  }
  env.push_back(prefix + value);
}

bool has_single_id(const os::IdMap& uids) { return uids.size() == 1 && uids.front().count == 1; }

// The container's own environment, then what was asked for.
void merge_environment(const ExecOptions& options, std::vector<std::string>& env) {
  const spec::Lookup lookup = spec::lookup_process_environment;
  std::vector<std::string> from_files;
  for (const auto& file : options.env_file) {
    constexpr std::uint64_t kMax = 1 << 20;
    const auto lines = spec::parse_env_file(os::read_fd(os::open_regular(file, kMax).get(), kMax, file), file, lookup);
    from_files.insert(from_files.end(), lines.begin(), lines.end());
  }
  for (const auto& entry : spec::collect_env(from_files, options.env, lookup)) {
    const auto parts = cut(entry, "=");
    if (parts) set_variable(env, std::string(parts->first), std::string(parts->second), true);
  }
}

void check_mapped(const std::string& user, const runtime::Identity& identity, int init_pid) {
  const os::IdMap uids = os::uid_map_of(init_pid);
  if (os::id_to_outside(uids, identity.uid) && os::id_to_outside(os::gid_map_of(init_pid), identity.gid)) return;
  if (has_single_id(uids)) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("--user={}: this container has one user id only, {}", user, uids.front().inside),
                "leave out --user, or run containers with subordinate ids: `proa info` says what is missing");
  }
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("--user={}: {}:{} is outside of the ids that are mapped in this container", user,
                          identity.uid, identity.gid));
}

// Another user than the container's: by the container's passwd, with the capabilities that this user would have had.
void change_user(const std::string& user, int init_pid, oci::RuntimeProcess& process) {
  const os::Dir root = os::Dir::open(fmt::format("/proc/{}/root", init_pid));
  const auto identity = runtime::resolve_identity(user, {}, root);
  check_mapped(user, identity, init_pid);
  process.user.uid = identity.uid;
  process.user.gid = identity.gid;
  process.user.additional_gids = identity.groups;
  set_variable(process.env, "HOME", identity.home, true);
  if (!process.capabilities) return;
  auto& caps = *process.capabilities;
  caps.inheritable.clear();
  caps.ambient.clear();
  if (identity.uid == 0) {
    caps.effective = caps.permitted = caps.bounding;
  } else {
    caps.effective.clear();
    caps.permitted.clear();
  }
}

oci::RuntimeProcess make_process(const ExecOptions& options, oci::RuntimeProcess process, int init_pid) {
  process.args.assign(options.words.begin() + 1, options.words.end());
  process.terminal = options.tty;
  process.console_size.reset();
  if (options.user) change_user(*options.user, init_pid, process);
  if (options.tty) set_variable(process.env, "TERM", ::getenv("TERM") != nullptr ? ::getenv("TERM") : "xterm", false);
  merge_environment(options, process.env);
  if (options.workdir) {
    if (!options.workdir->starts_with('/')) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("--workdir={}: not an absolute path", *options.workdir));
    }
    process.cwd = *options.workdir;
  }
  return process;
}

// Moves bytes between our terminal and the process's, until it ends.
class TerminalRelay {
 public:
  TerminalRelay(int master, const ExecOptions& options)
      : master_(master), keys_(engine::parse_detach_keys(options.detach_keys)), reading_(options.interactive) {
    copy_size();
    if (options.interactive && os::is_terminal(STDIN_FILENO)) raw_.emplace(STDIN_FILENO);
  }

  // false: the user typed the detach keys.
  bool run(int pidfd) {
    for (;;) {
      std::array<pollfd, 4> fds{pollfd{master_, POLLIN, 0}, pollfd{signals_.fd(), POLLIN, 0}, pollfd{pidfd, POLLIN, 0},
                                pollfd{reading_ ? STDIN_FILENO : -1, POLLIN, 0}};
      if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) throw system_error("poll");
      if (fds[1].revents != 0 && !signals_.read().empty()) copy_size();
      if (fds[0].revents != 0 && !pass_output()) return true;
      if (fds[3].revents != 0) pass_input();
      if (keys_.matched()) return false;
      if (fds[2].revents != 0) {
        drain();
        return true;
      }
    }
  }

 private:
  void copy_size() {
    if (const auto size = os::window_size(STDIN_FILENO)) os::set_window_size(master_, *size);
  }

  bool pass_output() {
    std::array<char, 32 * 1024> buffer;
    const ssize_t size = ::read(master_, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) return true;
    if (size <= 0) return false;  // EIO: nobody has the terminal any more
    os::write_all(STDOUT_FILENO, std::string_view(buffer.data(), static_cast<std::size_t>(size)), "standard output");
    return true;
  }

  void pass_input() {
    std::array<char, 4096> buffer;
    const ssize_t size = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (size <= 0) {
      reading_ = false;
      return os::write_all(master_, "\x04", "terminal");
    }
    const std::string kept = keys_.feed(std::string_view(buffer.data(), static_cast<std::size_t>(size)));
    os::write_all(master_, kept, "terminal");
  }

  void drain() {
    pollfd fd{master_, POLLIN, 0};
    while (::poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN) != 0 && pass_output()) {
    }
  }

  int master_;
  engine::KeyMatcher keys_;
  os::SignalFd signals_{SIGWINCH};
  std::optional<os::RawMode> raw_;
  bool reading_;
};

int run_in(const engine::Containers& containers, const engine::Container& container, const engine::Snapshot& snapshot,
           const ExecOptions& options) {
  engine::ExecPlace place = engine::plan_exec(containers, container, snapshot);
  runtime::ExecRequest& request = place.request;
  request.preserve_fds = static_cast<unsigned>(std::max(0, options.preserve_fds));
  for (int fd = 3; fd < 3 + options.preserve_fds; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("descriptor {} is to be preserved, but is not open", fd));
    }
  }
  request.process = make_process(options, std::move(request.process), snapshot.state->pid);
  const os::UniqueFd null = os::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (!options.interactive || options.detach) request.stdio[0] = null.get();
  if (options.detach) request.stdio[1] = request.stdio[2] = null.get();

  runtime::Launched process = runtime::exec_in_container(request);
  const os::UniqueFd master = process.wait_ready();
  std::optional<TerminalRelay> relay;
  if (options.tty && !options.detach) relay.emplace(master.get(), options);
  process.start();
  engine::log_event(containers.paths(), engine::container_event(snapshot.record, "exec"));
  if (options.detach) {
    process.child().disown();
    print(random_hex(32) + "\n");
    return 0;
  }
  if (relay && !relay->run(process.pidfd())) {
    process.child().disown();
    return 0;
  }
  const int code = process.child().wait().to_exit_code();
  engine::log_event(containers.paths(), engine::container_event(snapshot.record, "exec_died"));
  return code;
}

int exec(cli::Context&, const ExecOptions& typed) {
  ExecOptions options = typed;
  if (options.privileged) not_supported("privileged", "start the container with --privileged or --cap-add");
  // The container comes from elsewhere: all words are the command.
  if (options.latest) options.words.insert(options.words.begin(), get_latest(open_containers()).id());
  if (options.cidfile) {
    options.words.insert(options.words.begin(),
                         os::read_fd(os::open_regular(*options.cidfile, 4096).get(), 4096, *options.cidfile));
  }
  if (options.words.size() < 2)
    throw Error(ErrorCode::InvalidArgument, "no command to run", "proa exec CONTAINER COMMAND");
  const auto containers = open_containers();
  const auto container = containers.get(options.words[0]);
  const auto snapshot = engine::look_at(container);
  if (snapshot.status == engine::Status::Paused) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("container {} is paused", snapshot.record.name),
                "`proa unpause` lets it go on");
  }
  try {
    return run_in(containers, container, snapshot, options);
  } catch (const runtime::LaunchError& error) {
    cli::report(error);
    return error.exit_code();
  }
}

}  // namespace

cli::Command exec_command() {
  return cli::command<ExecOptions>("exec", "Run a command in a running container")
      .flag("interactive,i", &ExecOptions::interactive, "Keep stdin open")
      .flag("tty,t", &ExecOptions::tty, "Give the command a terminal")
      .flag("detach,d", &ExecOptions::detach, "Leave it running in the background")
      .value("env,e", &ExecOptions::env, "Set a variable, or take it from here", "NAME[=VALUE]")
      .value("env-file", &ExecOptions::env_file, "Read variables from a file", "FILE", cli::Complete::File)
      .value("user,u", &ExecOptions::user, "User, and group after a colon", "USER[:GROUP]")
      .value("workdir,w", &ExecOptions::workdir, "Working directory inside", "DIR")
      .value("detach-keys", &ExecOptions::detach_keys, "Keys that leave the command running", "KEYS")
      .flag("latest,l", &ExecOptions::latest, "In the container made last")
      .value("cidfile", &ExecOptions::cidfile, "Read the container's id from a file", "FILE", cli::Complete::File)
      .value("preserve-fds", &ExecOptions::preserve_fds, "Pass on so many descriptors from 3 on", "NUMBER")
      .flag("no-session", &ExecOptions::no_session, "Accepted: nothing is kept of an exec")
      .hide_last()
      .flag("privileged", &ExecOptions::privileged, "Not supported")
      .hide_last()
      .positionals("CONTAINER COMMAND [ARG...]", &ExecOptions::words, 1, cli::kAnyNumber,
                   cli::Complete::RunningContainer)
      .options_end_at_first_positional()
      .runs(exec);
}

}  // namespace proa::commands
