#include "tools/run/oci/exec.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/os/pidfd.h"
#include "libcommon/runtime/exec.h"
#include "tools/run/oci/lifecycle.h"
#include "tools/run/oci/state.h"

namespace proa::run::oci {
namespace {

constexpr std::uint64_t kMaxProcessFile = 1u << 20;

// The command line of runtimes takes numbers only: names belong to who knows the image.
std::uint32_t number(const std::string& text, const char* what) {
  auto id = parse_integer<std::uint32_t>(text);
  if (!id || *id == 0xffffffffU)
    throw Error(ErrorCode::InvalidArgument, fmt::format("{} is no {}", escape_control(text), what));
  return *id;
}

void apply_user(proa::oci::RuntimeUser& user, const ExecOptions& options) {
  if (!options.user.empty()) {
    auto parts = cut(options.user, ":");
    user = {};
    user.uid = number(parts ? std::string(parts->first) : options.user, "user id");
    if (parts) user.gid = number(std::string(parts->second), "group id");
  }
  for (const auto& group : options.additional_gids) user.additional_gids.push_back(number(group, "group id"));
}

void add_capabilities(proa::oci::RuntimeProcess& process, const std::vector<std::string>& names) {
  if (names.empty()) return;
  auto& caps = process.capabilities.has_value() ? *process.capabilities : process.capabilities.emplace();
  for (const auto& name : names) {
    auto known = os::capability_number(name);
    if (!known) throw Error(ErrorCode::InvalidArgument, fmt::format("unknown capability {}", escape_control(name)));
    for (auto* set : {&caps.bounding, &caps.effective, &caps.permitted}) set->push_back(os::capability_name(*known));
  }
}

proa::oci::RuntimeProcess make_process(const ExecOptions& options, const proa::oci::RuntimeSpec& spec) {
  if (!options.process.empty()) {
    return proa::oci::RuntimeProcess::parse(os::read_file(options.process, kMaxProcessFile));
  }
  proa::oci::RuntimeProcess process = spec.process.value_or(proa::oci::RuntimeProcess{});
  process.args.assign(options.words.begin() + 1, options.words.end());
  process.terminal = options.tty;
  process.console_size.reset();
  if (!options.cwd.empty()) process.cwd = options.cwd;
  process.env.insert(process.env.end(), options.env.begin(), options.env.end());
  apply_user(process.user, options);
  add_capabilities(process, options.caps);
  if (options.no_new_privs) process.no_new_privileges = true;
  if (!options.apparmor.empty()) process.apparmor_profile = options.apparmor;
  if (!options.process_label.empty()) process.selinux_label = options.process_label;
  return process;
}

}  // namespace

int exec(const ExecOptions& options) {
  auto state = load(options.words.at(0));
  Status status = status_of(state);
  bool joinable =
      status == Status::Running || status == Status::Created || (status == Status::Paused && options.ignore_paused);
  if (!joinable)
    throw Error(ErrorCode::InvalidArgument, fmt::format("container {} is {}", state.id, status_name(status)));
  auto spec = load_spec(state.bundle);
  runtime::ExecRequest request;
  request.process = make_process(options, spec);
  os::UniqueFd init = os::pidfd_open(state.pid);
  // The descriptor is the init's only if that is still the process with this start time.
  if (os::process_start_time(state.pid) != state.start_time)
    throw Error(ErrorCode::NotFound, fmt::format("container {} has ended", state.id));
  request.init_pid = state.pid;
  request.init_pidfd = init.get();
  request.seccomp = spec.linux_.seccomp;
  request.seccomp_cache = runtime::default_seccomp_cache();
  request.cgroup_directory = state.cgroup;
  request.preserve_fds = static_cast<unsigned>(std::max<std::int64_t>(options.preserve_fds, 0));
  auto launched = runtime::exec_in_container(request);
  os::UniqueFd master;
  if (request.process.terminal) {
    master = launched.wait_ready();
    if (!options.console_socket.empty()) {
      send_console(options.console_socket, master.get());
      master.reset();
    } else if (options.detach) {
      throw Error(ErrorCode::InvalidArgument, "a detached process with a terminal needs --console-socket");
    }
  } else {
    launched.start_when_ready();
  }
  write_pid_file(options.pid_file, launched.pid());
  launched.start();
  if (options.detach) {
    launched.child().disown();
    return 0;
  }
  return attend(launched.child(), std::move(master));
}

}  // namespace proa::run::oci
