// The command line of runc and crun: verbs, flags, and the flags before the verb.
#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/log.h"
#include "libcommon/base/signals.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/os/file.h"
#include "libcommon/runtime/self.h"
#include "tools/run/oci/exec.h"
#include "tools/run/oci/lifecycle.h"
#include "tools/run/oci/oci.h"
#include "tools/run/oci/report.h"
#include "tools/run/oci/update.h"

namespace proa::run::oci {
namespace {

struct SimpleFlags {
  std::vector<std::string> words;
  bool all = false, force = false, quiet = false, rootless = false;
  std::string format = "table";
  std::string bundle = ".";
  std::string regex;
};

void create_flags(cli::CommandBuilder<CreateOptions>& builder) {
  builder.value("bundle,b", &CreateOptions::bundle, "folder with config.json", "DIR", cli::Complete::Directory)
      .value("console-socket", &CreateOptions::console_socket, "socket that receives the container's terminal", "PATH",
             cli::Complete::File)
      .value("pid-file", &CreateOptions::pid_file, "file for the process id", "PATH", cli::Complete::File)
      .flag("no-pivot", &CreateOptions::no_pivot, "change the root without pivot_root, for a root on a ramdisk")
      .flag("no-new-keyring", &CreateOptions::no_new_keyring, "keep the session keyring of the caller")
      .value("preserve-fds", &CreateOptions::preserve_fds,
             "how many descriptors after standard error the container keeps", "N")
      .positionals("ID", &CreateOptions::words, 1, 1);
}

cli::Command simple(const char* name, const char* summary, void (*action)(const std::string&)) {
  return cli::command<SimpleFlags>(name, summary)
      .positionals("ID", &SimpleFlags::words, 1, 1)
      .runs([action](cli::Context&, const SimpleFlags& options) {
        action(options.words[0]);
        return 0;
      });
}

int signal_number(const std::vector<std::string>& words) {
  if (words.size() < 2) return SIGTERM;
  auto signal = parse_signal(words[1]);
  if (!signal) throw Error(ErrorCode::InvalidArgument, fmt::format("unknown signal '{}'", escape_control(words[1])));
  return *signal;
}

cli::Command create_command() {
  return cli::command<CreateOptions>("create", "create a container that waits to be started")
      .with(create_flags)
      .runs([](cli::Context&, const CreateOptions& options) {
        create(options.words[0], options);
        return 0;
      });
}

cli::Command run_command() {
  return cli::command<CreateOptions>("run", "create and start a container, and wait for its end")
      .with(create_flags)
      .flag("keep", &CreateOptions::keep, "do not delete the container when it ends")
      .flag("detach,d", &CreateOptions::detach, "do not wait for the end")
      .flag("no-subreaper", &CreateOptions::no_subreaper, "accepted for runc's sake; we never become one")
      .runs([](cli::Context&, const CreateOptions& options) {
        if (!options.detach) return run(options.words[0], options, options.keep);
        create(options.words[0], options);
        start(options.words[0]);
        return 0;
      });
}

cli::Command exec_command() {
  return cli::command<ExecOptions>("exec", "run a process in a container")
      .value("process,p", &ExecOptions::process, "file with the process as JSON", "FILE", cli::Complete::File)
      .value("console-socket", &ExecOptions::console_socket, "socket that receives the terminal", "PATH",
             cli::Complete::File)
      .value("pid-file", &ExecOptions::pid_file, "file for the process id", "PATH", cli::Complete::File)
      .value("cwd", &ExecOptions::cwd, "working directory in the container", "DIR")
      .value("user,u", &ExecOptions::user, "user id, with a group id after a colon", "UID[:GID]")
      .value("additional-gids,g", &ExecOptions::additional_gids, "further group ids", "GID")
      .value("env,e", &ExecOptions::env, "environment variable", "NAME=VALUE")
      .value("cap,c", &ExecOptions::caps, "further capability", "CAP")
      .value("preserve-fds", &ExecOptions::preserve_fds, "how many descriptors after standard error the process keeps",
             "N")
      .value("apparmor", &ExecOptions::apparmor, "AppArmor profile", "PROFILE")
      .value("process-label", &ExecOptions::process_label, "SELinux label", "LABEL")
      .flag("tty,t", &ExecOptions::tty, "give it a terminal")
      .flag("detach,d", &ExecOptions::detach, "do not wait for the end")
      .flag("no-new-privs", &ExecOptions::no_new_privs, "set no_new_privs")
      .flag("ignore-paused", &ExecOptions::ignore_paused, "also in a paused container, where it waits")
      .positionals("ID [COMMAND [ARG...]]", &ExecOptions::words, 1, cli::kAnyNumber)
      .options_end_at_first_positional()
      .runs([](cli::Context&, const ExecOptions& options) { return exec(options); });
}

cli::Command kill_command() {
  return cli::command<SimpleFlags>("kill", "send a signal to a container")
      .flag("all,a", &SimpleFlags::all, "to all of its processes")
      .positionals("ID [SIGNAL]", &SimpleFlags::words, 1, 2)
      .runs([](cli::Context&, const SimpleFlags& options) {
        kill(options.words[0], signal_number(options.words), options.all);
        return 0;
      });
}

cli::Command delete_command() {
  return cli::command<SimpleFlags>("delete", "forget a container that has ended")
      .flag("force,f", &SimpleFlags::force, "kill it first when it runs")
      .positionals("ID", &SimpleFlags::words, 1, 1)
      .runs([](cli::Context&, const SimpleFlags& options) {
        remove(options.words[0], options.force);
        return 0;
      });
}

cli::Command list_command() {
  return cli::command<SimpleFlags>("list", "list containers")
      .flag("quiet,q", &SimpleFlags::quiet, "ids only")
      .value("format,f", &SimpleFlags::format, "table or json", "FORMAT")
      .runs([](cli::Context&, const SimpleFlags& options) {
        print_list(options.quiet, options.format);
        return 0;
      });
}

cli::Command ps_command() {
  return cli::command<SimpleFlags>("ps", "list the processes of a container")
      .value("format,f", &SimpleFlags::format, "table or json", "FORMAT")
      .positionals("ID [ARG...]", &SimpleFlags::words, 1, cli::kAnyNumber)
      .options_end_at_first_positional()
      .runs([](cli::Context&, const SimpleFlags& options) {
        print_processes(options.words[0], options.format);
        return 0;
      });
}

// runc spells --cpu-share, crun --cpu-shares.
cli::Command update_command() {
  return cli::command<UpdateOptions>("update", "change the limits of a container")
      .value("resources,r", &UpdateOptions::resources, "file with the limits as JSON, - for standard input", "FILE",
             cli::Complete::File)
      .value("memory", &UpdateOptions::memory, "limit of memory", "SIZE")
      .value("memory-reservation", &UpdateOptions::memory_reservation, "memory that is kept when it gets short", "SIZE")
      .value("memory-swap", &UpdateOptions::memory_swap, "limit of memory and swap together", "SIZE")
      .value("cpu-share", &UpdateOptions::cpu_shares, "weight against others", "NUMBER")
      .value("cpu-shares", &UpdateOptions::cpu_shares, "the same", "NUMBER")
      .hide_last()
      .value("cpu-quota", &UpdateOptions::cpu_quota, "time in each period in microseconds", "NUMBER")
      .value("cpu-period", &UpdateOptions::cpu_period, "period in microseconds", "NUMBER")
      .value("cpuset-cpus", &UpdateOptions::cpuset_cpus, "processors to run on", "LIST")
      .value("cpuset-mems", &UpdateOptions::cpuset_mems, "memory nodes to use", "LIST")
      .value("pids-limit", &UpdateOptions::pids_limit, "largest number of processes", "NUMBER")
      .value("blkio-weight", &UpdateOptions::blkio_weight, "weight of block I/O", "NUMBER")
      .positionals("ID", &UpdateOptions::words, 1, 1)
      .runs([](cli::Context&, const UpdateOptions& options) {
        update(options);
        return 0;
      });
}

cli::Command spec_command() {
  return cli::command<SimpleFlags>("spec", "write a config.json to start from")
      .value("bundle,b", &SimpleFlags::bundle, "folder for it", "DIR", cli::Complete::Directory)
      .flag("rootless", &SimpleFlags::rootless, "for an ordinary user")
      .runs([](cli::Context&, const SimpleFlags& options) {
        write_default_spec(options.bundle, options.rootless);
        return 0;
      });
}

cli::Command features_command() {
  return cli::command<SimpleFlags>("features", "show what this runtime can do")
      .runs([](cli::Context&, const SimpleFlags&) {
        print_features();
        return 0;
      });
}

// Engines read errors from the log file; runc's JSON lines are what they expect there.
void write_log(const std::exception& error) {
  if (globals().log.empty()) return;
  std::string line;
  if (globals().log_json) {
    nlohmann::json record = {{"level", "error"}, {"msg", error.what()}, {"time", format_rfc3339(now())}};
    line = json_text(record) + "\n";
  } else {
    line = fmt::format("time=\"{}\" level=error msg=\"{}\"\n", format_rfc3339(now()), escape_control(error.what()));
  }
  try {
    os::UniqueFd fd = os::open(globals().log, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0644);
    os::write_all(fd.get(), std::string_view(line), globals().log);
  } catch (const Error& second) {
    log::warn(second.what());
  }
}

// Wraps each verb, so that failures reach the log of who called us as well.
void add_logging(cli::Command& command) {
  if (!command.run) return;
  command.run = [inner = std::move(command.run)](cli::Context& context, const void* options) {
    try {
      return inner(context, options);
    } catch (const Error& error) {
      write_log(error);
      throw;
    }
  };
}

std::vector<cli::Command> verbs() {
  std::vector<cli::Command> list;
  list.push_back(create_command());
  list.push_back(simple("start", "start a created container", start));
  list.push_back(simple("state", "show the state of a container", print_state));
  list.push_back(kill_command());
  list.push_back(delete_command());
  list.push_back(exec_command());
  list.push_back(run_command());
  list.push_back(list_command());
  list.push_back(ps_command());
  list.push_back(simple("pause", "stop all processes of a container", [](const std::string& id) { pause(id, true); }));
  list.push_back(simple("resume", "let a paused container go on", [](const std::string& id) { pause(id, false); }));
  list.push_back(update_command());
  list.push_back(spec_command());
  list.push_back(features_command());
  for (auto& command : list) add_logging(command);
  return list;
}

// Takes the runtime's flags before the verb out of the words.
std::vector<char*> take_globals(int argc, char** argv, int first) {
  std::vector<char*> rest{argv[0]};
  auto& options = globals();
  int at = first;
  for (; at < argc && argv[at][0] == '-'; ++at) {
    std::string_view word = argv[at];
    auto assigned = cut(word, "=");
    std::string_view name = assigned ? assigned->first : word;
    auto value = [&]() -> std::string {
      if (assigned) return std::string(assigned->second);
      return at + 1 < argc ? argv[++at] : "";
    };
    if (name == "--root") {
      options.root = value();
    } else if (name == "--log") {
      options.log = value();
    } else if (name == "--log-format") {
      options.log_json = value() == "json";
    } else if (name == "--systemd-cgroup") {
      options.systemd_cgroup = true;
    } else if (name == "--cgroup-manager") {
      const std::string manager = value();
      options.systemd_cgroup = manager == "systemd";
      options.no_cgroups = manager == "disabled";
    } else if (name == "--rootless" || name == "--criu") {
      if (!assigned && at + 1 < argc && argv[at + 1][0] != '-' && name == "--criu") ++at;
    } else {
      rest.push_back(argv[at]);  // --help, --version, --log-level, --debug: the same for all programs
      if ((name == "--log-level") && !assigned && at + 1 < argc) rest.push_back(argv[++at]);
    }
  }
  for (; at < argc; ++at) rest.push_back(argv[at]);
  return rest;
}

}  // namespace

Globals& globals() {
  static Globals instance;
  return instance;
}

cli::Command oci_command() {
  return cli::group("oci", "be an OCI runtime for other engines, with the command line of runc", verbs());
}

std::optional<int> run_as_runtime(int argc, char** argv) {
  std::string_view name = argc > 0 ? argv[0] : "";
  name = name.substr(name.rfind('/') == std::string_view::npos ? 0 : name.rfind('/') + 1);
  bool called = name == "proa-oci" || name == "proa-runtime";
  bool worded = argc > 1 && std::string_view(argv[1]) == "oci";
  if (!called && !worded) return std::nullopt;
  cli::Program program{called ? std::string(name) : "proa-run oci", "OCI runtime", verbs(), 1, 1};
  auto words = take_globals(argc, argv, called ? 1 : 2);
  std::string_view verb = words.size() > 1 ? words[1] : "";
  if (verb == "create" || verb == "run" || verb == "exec") {
    try {
      runtime::protect_own_binary(argv);
    } catch (const Error& error) {
      write_log(error);
      cli::report(error);
      return 1;
    }
  }
  return cli::run_program(program, static_cast<int>(words.size()), words.data());
}

}  // namespace proa::run::oci
