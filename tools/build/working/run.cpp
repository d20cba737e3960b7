#include <fmt/core.h>

#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/spec/env_file.h"
#include "libcommon/spec/volumes.h"
#include "tools/build/commands/common_flags.h"
#include "tools/build/steps/metadata.h"
#include "tools/build/steps/mounts.h"
#include "tools/build/steps/run_step.h"
#include "tools/build/steps/step_owner.h"
#include "tools/build/working/verbs.h"
#include "tools/build/working/work_session.h"

namespace proa::build {
namespace {

struct RunOptions : PlaceOptions {
  std::vector<std::string> positionals, env, volumes, mounts, cap_add, cap_drop;
  std::string user, workdir, network, hostname = "build", moot_value, contextdir;
  bool add_history = false, terminal = false, moot = false;
};

RunRequest make_request(const WorkingContainer& container, const RunOptions& options) {
  RunRequest request;
  request.args.assign(options.positionals.begin() + 1, options.positionals.end());
  if (request.args[0] == "--") request.args.erase(request.args.begin());
  if (request.args.empty()) throw Error(ErrorCode::InvalidArgument, "there is no command to run");
  request.env = container.config.env;
  for (const std::string& text : options.env) {
    std::string entry = spec::parse_env(text, spec::lookup_process_environment);
    auto pair = cut(entry, "=");
    if (pair) set_env(request.env, std::string(pair->first), std::string(pair->second));
  }
  request.user = options.user.empty() ? container.config.user : options.user;
  request.cwd = options.workdir.empty() ? container.config.working_dir : options.workdir;
  request.hostname = options.hostname;
  return request;
}

RunSettings make_settings(const RunOptions& options) {
  RunSettings settings;
  settings.network = parse_network(options.network);
  settings.cap_add = options.cap_add;
  settings.cap_drop = options.cap_drop;
  settings.volume_mounts = bind_volumes(options.volumes);
  return settings;
}

cli::ExitCode run(cli::Context&, const RunOptions& options) {
  RunSettings settings = make_settings(options);
  WorkSession work(options);
  WorkingContainer& container = work.open(options.positionals[0]);
  RunRequest request = make_request(container, options);
  Session& session = work.session();
  session.enter();
  Baton baton;
  auto held = baton.take();
  Progress progress(make_progress_view("quiet"));
  Secrets none;
  StepMounts mounts(session, none, baton);
  std::optional<SourceTree> context;
  for (const std::string& text : options.mounts) {
    MountRequest mount = parse_mount(text);
    if (!mount.from.empty()) throw Error(ErrorCode::Unsupported, "--mount with from= is not supported");
    if (mount.type == MountType::Bind && !context) {
      context.emplace(os::Dir::open(options.contextdir.empty() ? "/" : options.contextdir), IgnoreRules(), "the host");
    }
    mounts.add(mount, mount.type == MountType::Bind ? &*context : nullptr, request.cwd);
  }
  request.mounts = mounts.mounts();
  std::vector<std::pair<std::string, bool>> targets = mounts.targets();
  for (const runtime::MountRequest& volume : settings.volume_mounts) targets.emplace_back(volume.target, true);
  targets.insert(targets.end(),
                 {{"/proc", true}, {"/sys", true}, {"/dev", true}, {"/etc/hosts", false}, {"/etc/resolv.conf", false}});
  WorkRoot root = work.root(make_stubs(session, targets));
  os::WaitStatus status = run_attached({session, progress, baton, 0, settings}, request, root);
  work.add_history(options.add_history, "/bin/sh -c " + join(request.args, " "));
  work.save();
  return status.to_exit_code();
}

}  // namespace

cli::Command run_command_verb() {
  using O = RunOptions;
  auto builder = cli::command<O>("run", "Run a command in a working container");
  builder.positionals("CONTAINER COMMAND [ARG...]", &O::positionals, 2, cli::kAnyNumber)
      .options_end_at_first_positional()
      .value("env,e", &O::env, "Variable for the command", "KEY[=VALUE]")
      .value("user,u", &O::user, "User of the command", "USER[:GROUP]")
      .value("workingdir,w", &O::workdir, "Folder that it starts in", "PATH")
      .value("volume,v", &O::volumes, "Bind a folder: SOURCE:TARGET[:ro]", "VOLUME")
      .value("mount", &O::mounts, "A mount as RUN --mount has it", "MOUNT")
      .value("contextdir", &O::contextdir, "Where sources of --mount are", "FOLDER", cli::Complete::Directory)
      .value("network,net", &O::network, "Network: default, host or none", "MODE")
      .value("hostname", &O::hostname, "Name of the host inside", "NAME")
      .value("cap-add", &O::cap_add, "Add a capability", "CAPABILITY")
      .value("cap-drop", &O::cap_drop, "Drop a capability", "CAPABILITY")
      .flag("add-history", &O::add_history, "Add the command to the image's history")
      .flag("terminal,t,tty", &O::terminal, "The command has our terminal anyway")
      .with(declare_places<O>);
  for (const char* name : {"isolation", "runtime", "runtime-flag", "ipc", "pid", "uts", "cgroupns"}) {
    builder.value(name, &O::moot_value, "Accepted for compatibility", "VALUE").hide_last();
  }
  for (const char* name : {"no-hosts", "no-hostname", "no-pivot"}) {
    builder.flag(name, &O::moot, "Accepted for compatibility").hide_last();
  }
  return builder.runs(run);
}

}  // namespace proa::build
