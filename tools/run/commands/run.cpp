// run, create, start: the verbs that begin a container.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <utility>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/signals.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/os/process.h"
#include "libcommon/os/tty.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/commands/run_flags.h"
#include "tools/run/engine/attach.h"
#include "tools/run/engine/create.h"
#include "tools/run/engine/image.h"
#include "tools/run/engine/lifecycle.h"
#include "tools/run/monitor/monitor.h"

namespace proa::commands {
namespace {

using engine::RunOptions;

// --cidfile: never an existing file, never through a link: the name may lie in a folder of others. Taken away again
// when there is no container in the end.
class IdFile {
 public:
  explicit IdFile(const std::optional<std::string>& path) : path_(path.value_or("")) {
    if (!path) return;
    try {
      file_ = os::open(path_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
      made_ = true;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::AlreadyExists) throw;
      throw Error(error.code(), fmt::format("--cidfile={}: it exists already", path_),
                  "make sure that its container is gone, and remove it");
    }
  }
  ~IdFile() {
    if (made_) ::unlink(path_.c_str());
  }
  IdFile(const IdFile&) = delete;
  IdFile& operator=(const IdFile&) = delete;

  // And closes it: the monitor is to inherit nothing.
  void write(const std::string& id) {
    if (made_) os::write_all(std::exchange(file_, {}).get(), id, path_);
  }
  void keep() { made_ = false; }

 private:
  std::string path_;
  os::UniqueFd file_;
  bool made_ = false;
};

struct Streams {
  bool input = false, output = true;
};

Streams streams_of(const RunOptions& options) {
  Streams streams{options.interactive, true};
  if (options.attach.empty()) return streams;
  streams = {false, false};
  for (const auto& typed : options.attach) {
    const std::string name = to_lower(typed);
    if (name == "stdin") {
      streams.input = options.interactive;
    } else if (name == "stdout" || name == "stderr") {
      streams.output = true;
    } else {
      throw Error(ErrorCode::InvalidArgument, fmt::format("--attach={}: no such stream", typed),
                  "use stdin, stdout or stderr");
    }
  }
  return streams;
}

void remove_namesake(const engine::Containers& containers, const RunOptions& options) {
  if (!options.replace) return;
  if (!options.name) throw Error(ErrorCode::InvalidArgument, "--replace needs --name");
  if (auto old = containers.find(*options.name)) {
    const int grace = engine::look_at(*old).record.stop_timeout;
    engine::remove(containers, std::move(*old), {.force = true, .timeout = grace});
  }
}

int stay_attached(int socket, const engine::AttachOptions& options, const std::string& name) {
  const engine::AttachResult result = engine::attach(socket, options);
  if (result.lost) {
    cli::report(Error(ErrorCode::Io, fmt::format("container {}: its monitor was killed", name),
                      "`proa ps -a` shows what is left of it"));
    return 125;
  }
  return result.detached ? 0 : result.exit_code;
}

void start_in_background(const engine::Containers& containers, engine::Container container);

// --requires: those go first.
void start_required(const engine::Containers& containers, const engine::ContainerRecord& record) {
  for (const auto& id : record.required) {
    auto container = containers.get(id);
    if (!engine::look_at(container).active()) start_in_background(containers, std::move(container));
  }
}

// --rmi: an image that others use stays.
void remove_image(const std::string& image) {
  os::SpawnPlan plan;
  plan.program = engine::sibling_program("proa-copy");
  plan.arguments = {"rmi", "--", image};
  const os::UniqueFd null = os::open("/dev/null", O_WRONLY | O_CLOEXEC);
  plan.descriptors = {{null.get(), STDOUT_FILENO}};
  os::spawn(plan).wait();
}

int run(cli::Context&, const RunOptions& options) {
  const Streams streams = streams_of(options);
  const bool attached = !options.detach;
  engine::AttachOptions attach;
  attach.input = attached && streams.input;
  attach.output = streams.output;
  attach.terminal = options.tty;
  attach.sig_proxy = options.sig_proxy;
  if (options.detach_keys) attach.detach_keys = *options.detach_keys;
  engine::parse_detach_keys(attach.detach_keys);
  if (options.tty && options.interactive && attached && !os::is_terminal(STDIN_FILENO)) {
    log::warn("the input is not a terminal: -t may behave oddly");
  }

  if (options.rmi && !attached) {
    throw Error(ErrorCode::Unsupported, "--rmi and --detach do not go together",
                "remove the image afterwards: `proa rmi`");
  }
  const engine::Containers containers = open_containers();
  IdFile id_file(options.cidfile);
  remove_namesake(containers, options);
  monitor::MonitorPlan plan = engine::plan_container(containers, options);
  plan.attach_output = attached;
  plan.attach_input = attach.input;
  plan.preserve_fds = options.preserve_fds;
  const std::string id = plan.record.id;
  const std::string image = plan.record.image;
  id_file.write(id);
  start_required(containers, plan.record);

  const os::UniqueFd socket = monitor::start_monitor(std::move(plan));
  if (const auto failure = engine::wait_ready(socket.get())) return report_failure(*failure);
  id_file.keep();
  if (!attached) {
    print(id + "\n");
    return 0;
  }
  const int code = stay_attached(socket.get(), attach, id.substr(0, 12));
  if (options.rmi) remove_image(image);
  return code;
}

int create(cli::Context&, const RunOptions& options) {
  const engine::Containers containers = open_containers();
  IdFile id_file(options.cidfile);
  remove_namesake(containers, options);
  monitor::MonitorPlan plan = engine::plan_container(containers, options);
  plan.start = false;
  const std::string id = plan.record.id;
  id_file.write(id);
  const os::UniqueFd socket = monitor::start_monitor(std::move(plan));
  if (const auto failure = engine::wait_ready(socket.get())) return report_failure(*failure);
  id_file.keep();
  print(id + "\n");
  return 0;
}

struct StartOptions {
  std::vector<std::string> names, filter;
  bool attach = false, interactive = false, all = false, latest = false, sig_proxy = true;
  std::string detach_keys = "ctrl-p,ctrl-q";
};

void start_in_background(const engine::Containers& containers, engine::Container container) {
  start_required(containers, container.record());
  const os::UniqueFd socket = monitor::start_monitor(engine::plan_start(containers, std::move(container)));
  if (const auto failure = engine::wait_ready(socket.get())) throw Error(ErrorCode::Io, failure->text, failure->hint);
}

int start_attached(const engine::Containers& containers, const StartOptions& options) {
  if (options.names.size() != 1) {
    throw Error(ErrorCode::InvalidArgument, "only one container can be started with --attach");
  }
  monitor::MonitorPlan plan = engine::plan_start(containers, containers.get(options.names.front()));
  engine::AttachOptions attach;
  attach.input = options.interactive && plan.record.stdin_open;
  attach.terminal = plan.record.terminal;
  attach.sig_proxy = options.sig_proxy;
  attach.detach_keys = options.detach_keys;
  plan.attach_output = true;
  plan.attach_input = attach.input;
  const std::string name = plan.record.name;
  const os::UniqueFd socket = monitor::start_monitor(std::move(plan));
  if (const auto failure = engine::wait_ready(socket.get())) return report_failure(*failure);
  return stay_attached(socket.get(), attach, name);
}

int start(cli::Context&, const StartOptions& options) {
  const engine::Containers containers = open_containers();
  if (options.attach || options.interactive) return start_attached(containers, options);
  const Selection selection{options.names, options.all, options.latest, false, options.filter};
  return for_each(containers, selection, false, [&](engine::Container container) {
    if (engine::look_at(container).running()) return;  // as docker has it: nothing to do
    start_in_background(containers, std::move(container));
  });
}

struct RestartOptions {
  std::vector<std::string> names, filter, cidfile;
  bool all = false, latest = false, running = false;
  std::optional<std::string> signal;
  std::optional<int> timeout;
};

int restart(cli::Context&, const RestartOptions& options) {
  const engine::Containers containers = open_containers();
  Selection selection{options.names, options.all || options.running, options.latest, false, options.filter};
  for (const auto& file : options.cidfile) {
    selection.names.push_back(os::read_fd(os::open_regular(file, 4096).get(), 4096, file));
  }
  std::optional<int> signal;
  if (options.signal) {
    signal = parse_signal(*options.signal);
    if (!signal) throw Error(ErrorCode::InvalidArgument, fmt::format("no such signal: {}", *options.signal));
  }
  return for_each(containers, selection, options.running, [&](engine::Container container) {
    engine::stop(containers, container, options.timeout, signal);
    start_in_background(containers, std::move(container));
  });
}

}  // namespace

cli::Command run_command() {
  return cli::command<RunOptions>("run", "Run a command in a new container")
      .flag("detach,d", &RunOptions::detach, "Leave it running in the background and print its id")
      .with(add_container_flags)
      .positionals("IMAGE [COMMAND [ARG...]]", &RunOptions::words, 1, cli::kAnyNumber, cli::Complete::Image)
      .options_end_at_first_positional()
      .runs(run);
}

cli::Command create_command() {
  return cli::command<RunOptions>("create", "Create a container without starting it")
      .with(add_container_flags)
      .positionals("IMAGE [COMMAND [ARG...]]", &RunOptions::words, 1, cli::kAnyNumber, cli::Complete::Image)
      .options_end_at_first_positional()
      .runs(create);
}

cli::Command start_command() {
  return cli::command<StartOptions>("start", "Start containers")
      .flag("attach,a", &StartOptions::attach, "Attach to the output")
      .flag("interactive,i", &StartOptions::interactive, "Attach to the input, too")
      .flag("sig-proxy", &StartOptions::sig_proxy, "Pass signals on to the command (default true)")
      .value("detach-keys", &StartOptions::detach_keys, "Keys that leave the container running", "KEYS")
      .flag("all", &StartOptions::all, "All containers")
      .value("filter,f", &StartOptions::filter, "All that match", "KEY=VALUE")
      .flag("latest,l", &StartOptions::latest, "The container made last")
      .positionals("CONTAINER [CONTAINER...]", &StartOptions::names, 0, cli::kAnyNumber, cli::Complete::Container)
      .runs(start);
}

cli::Command restart_command() {
  return cli::command<RestartOptions>("restart", "Restart containers")
      .value("time,t", &RestartOptions::timeout, "Seconds before killing", "SECONDS")
      .value("timeout", &RestartOptions::timeout, "The same", "SECONDS")
      .hide_last()
      .flag("all,a", &RestartOptions::all, "All containers")
      .flag("running", &RestartOptions::running, "All that run")
      .value("filter,f", &RestartOptions::filter, "All that match", "KEY=VALUE")
      .value("cidfile", &RestartOptions::cidfile, "Read an id from a file", "FILE", cli::Complete::File)
      .value("signal,s", &RestartOptions::signal, "Signal to begin with", "SIGNAL")
      .flag("latest,l", &RestartOptions::latest, "The container made last")
      .positionals("CONTAINER [CONTAINER...]", &RestartOptions::names, 0, cli::kAnyNumber, cli::Complete::Container)
      .runs(restart);
}

}  // namespace proa::commands
