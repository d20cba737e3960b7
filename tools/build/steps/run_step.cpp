#include "tools/build/steps/run_step.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/runtime/etc_files.h"
#include "libcommon/runtime/generate.h"
#include "libcommon/runtime/identity.h"
#include "libcommon/runtime/launch.h"
#include "tools/build/steps/step_network.h"

namespace proa::build {
namespace {

void write_file(const os::Path& path, std::string_view text) {
  os::UniqueFd fd = os::open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
  os::write_all(fd.get(), text, path);
}

runtime::MountRequest bind_file(const os::Path& source, const std::string& target) {
  runtime::MountRequest mount;
  mount.source = source;
  mount.target = target;
  return mount;
}

// hosts and resolv.conf as the network has them; what a step writes into them goes with it.
void add_etc_files(Session& session, const RunSettings& settings, const StepNetwork& network,
                   runtime::ContainerSpec& spec) {
  os::Path folder = session.scratch_dir("etc");
  std::vector<runtime::HostsEntry> hosts;
  for (const auto& [name, address] : settings.hosts) {
    hosts.push_back({address, {name}});
  }
  write_file(os::join(folder, "hosts"), runtime::hosts_text(hosts, network.hosts_base()));
  spec.mounts.push_back(bind_file(os::join(folder, "hosts"), "/etc/hosts"));
  runtime::ResolvConf resolv = network.resolv_conf();
  if (!settings.dns_search.empty()) resolv.search = settings.dns_search;
  if (!settings.dns_options.empty()) resolv.options = settings.dns_options;
  write_file(os::join(folder, "resolv.conf"), runtime::resolv_conf_text(resolv));
  spec.mounts.push_back(bind_file(os::join(folder, "resolv.conf"), "/etc/resolv.conf"));
}

constexpr int kTickMilliseconds = 200;

// Passes on what the command says until nothing holds the pipe any more.
void forward_output(int fd, Progress& progress, Progress::Id step) {
  std::array<std::byte, 16 << 10> buffer;
  while (true) {
    struct pollfd ready {
      fd, POLLIN, 0
    };
    if (::poll(&ready, 1, kTickMilliseconds) == 0) {
      progress.tick();
      continue;
    }
    std::size_t size = os::read_some(fd, buffer, "the output of the step");
    if (size == 0) return;
    progress.output(step, {reinterpret_cast<const char*>(buffer.data()), size});
  }
}

struct OutputPipe {
  os::UniqueFd read, write;
};

OutputPipe make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) throw system_error("pipe");
  return {os::UniqueFd(fds[0]), os::UniqueFd(fds[1])};
}

runtime::ContainerSpec make_spec(Session& session, const RunSettings& settings, const RunRequest& request,
                                 const os::Dir& root, const StepNetwork& network) {
  runtime::ContainerSpec spec;
  spec.args = request.args;
  spec.env = request.env;
  spec.identity = runtime::resolve_identity(request.user, {}, root);
  spec.cwd = request.cwd.empty() ? "/" : request.cwd;
  spec.umask = 022;
  spec.hostname = request.hostname;
  spec.privileged = request.insecure;
  spec.cap_add = settings.cap_add;
  spec.cap_drop = settings.cap_drop;
  spec.rlimits = settings.rlimits;
  spec.shm_size = settings.shm_size;
  if (network.shares_host()) spec.net = runtime::NamespaceChoice::host();
  add_etc_files(session, settings, network, spec);
  spec.seccomp = settings.seccomp;
  spec.mounts.insert(spec.mounts.end(), settings.volume_mounts.begin(), settings.volume_mounts.end());
  spec.mounts.insert(spec.mounts.end(), request.mounts.begin(), request.mounts.end());
  return spec;
}

}  // namespace

os::Path make_stubs(Session& session, const std::vector<std::pair<std::string, bool>>& targets) {
  os::Path folder = os::join(session.scratch_dir("stubs"), "root");
  os::make_dirs(folder, 0755);
  os::Dir root = os::Dir::open(folder);
  for (const auto& [target, is_folder] : targets) {
    auto parts = cut_last(target, "/");
    std::string parent = is_folder ? target : std::string(parts ? parts->first : "");
    os::UniqueFd fd = root.make_dirs_in_root(parent.empty() ? "/" : parent, 0755);
    if (!is_folder && parts) os::open(std::string(parts->second), O_WRONLY | O_CREAT | O_NOFOLLOW, 0644, fd.get());
  }
  return folder;
}

namespace {

// The started command. No other thread may be at work while a process is cloned.
runtime::Launched start_command(const RunContext& context, runtime::LaunchRequest& launch, oci::RuntimeSpec& spec,
                                StepNetwork& network) {
  auto quiet = context.progress.hold();
  launch.spec = &spec;
  launch.id = "build-" + random_hex(8);
  launch.emulate_single_id = launch.record_owners = context.session.plan().mode == os::IdMode::Single;
  launch.seccomp_cache = runtime::default_seccomp_cache();
  launch.parent_death_signal = SIGKILL;
  network.prepare(spec);
  launch.on_namespaces = [&](pid_t init) { network.attach(init); };
  runtime::Launched launched = runtime::launch(launch);
  try {
    launched.wait_ready();
    network.wait_ready();
    launched.start();
  } catch (const runtime::LaunchError& error) {
    if (error.exit_code() == 125) throw;
    // The command is at fault, not we: the peers' runtime ends with 1 then, and they pass that on.
    throw Error(error).with_exit_status(1);
  }
  return launched;
}

}  // namespace

os::WaitStatus run_attached(const RunContext& context, const RunRequest& request, const WorkRoot& root) {
  NetworkChoice choice = request.network == NetworkChoice::Default ? context.settings.network : request.network;
  StepNetwork network(choice, context.settings.dns);
  os::Dir root_dir = root.dir();
  runtime::ContainerSpec spec = make_spec(context.session, context.settings, request, root_dir, network);
  runtime::HostFacts facts = runtime::gather_host_facts(spec, context.session.plan());
  runtime::Generated generated = runtime::generate(spec, facts);
  for (const std::string& note : generated.notes) log::debug(note);
  runtime::LaunchRequest launch;
  launch.root_mount = root.mount.get();
  runtime::Launched launched = start_command(context, launch, generated.spec, network);
  return launched.child().wait();
}

Ownership run_command(const RunContext& context, const RunRequest& request, const WorkRoot& root) {
  const RunSettings& settings = context.settings;
  NetworkChoice choice = request.network == NetworkChoice::Default ? settings.network : request.network;
  StepNetwork network(choice, settings.dns);
  os::Dir root_dir = root.dir();
  runtime::ContainerSpec spec = make_spec(context.session, settings, request, root_dir, network);
  runtime::HostFacts facts = runtime::gather_host_facts(spec, context.session.plan());
  runtime::Generated generated = runtime::generate(spec, facts);
  for (const std::string& note : generated.notes) log::debug(note);

  OutputPipe output = make_pipe();
  runtime::LaunchRequest launch;
  launch.root_mount = root.mount.get();
  launch.stdio = {-1, output.write.get(), output.write.get()};
  runtime::Launched launched = start_command(context, launch, generated.spec, network);
  output.write.reset();
  Baton::Watch watch(context.baton, launched.pidfd());
  std::optional<os::WaitStatus> status;
  {
    Baton::Pause pause(context.baton);
    forward_output(output.read.get(), context.progress, context.step);
    status = launched.child().wait();
  }
  if (!status->success()) {
    throw Error(ErrorCode::Unavailable, fmt::format("the command {}", status->text()))
        .with_exit_status(status->to_exit_code());
  }
  return {spec.identity.uid, spec.identity.gid};
}

}  // namespace proa::build
