#include "libcommon/runtime/external.h"

#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/runtime/launch.h"

namespace proa::runtime {
namespace {

constexpr std::uint64_t kMaxOutput = 1u << 20;

std::string last_line(const std::string& text) {
  auto lines = split(trim(text), '\n');
  return escape_control(lines.back());
}

// The last word of a runtime that failed, as an error with the exit code that scripts go by.
[[noreturn]] void throw_failure(const std::string& program, const std::string& said) {
  std::string line = last_line(said);
  int code = failure_exit_code(line);
  throw LaunchError(code == 125 ? InitStep::Start : InitStep::Exec,
                    code == 127 ? ErrorCode::NotFound : ErrorCode::Unavailable, code,
                    fmt::format("{}: {}", program, line));
}

}  // namespace

int failure_exit_code(std::string_view said) {
  std::string text = to_lower(said);
  auto has = [&](std::string_view words) { return text.find(words) != std::string::npos; };
  if (!has("exec")) return 125;
  if (has("not found") || has("no such file or directory")) return 127;
  if (has("permission denied") || has("operation not permitted") || has("is a directory") || has("not executable") ||
      has("exec format error"))
    return 126;
  return 125;
}

ExternalRuntime::ExternalRuntime(const std::string& program, std::string root, bool systemd_cgroup)
    : root_(std::move(root)), systemd_cgroup_(systemd_cgroup) {
  auto found = os::find_program(program);
  if (!found) throw Error(ErrorCode::NotFound, fmt::format("runtime {} not found", program));
  program_ = *found;
}

std::vector<std::string> ExternalRuntime::global_arguments() const {
  std::vector<std::string> arguments;
  if (!root_.empty()) arguments = {"--root", root_};
  if (systemd_cgroup_) arguments.emplace_back("--systemd-cgroup");
  return arguments;
}

void ExternalRuntime::call(std::vector<std::string> arguments) const {
  os::SpawnPlan plan;
  plan.program = program_;
  plan.arguments = global_arguments();
  for (auto& word : arguments) plan.arguments.push_back(std::move(word));
  auto output = os::run(plan);
  if (!output.status.success()) {
    throw_failure(program_, output.err);
  }
}

pid_t ExternalRuntime::create(const CreateOptions& options) const {
  os::SpawnPlan plan;
  plan.program = program_;
  plan.arguments = global_arguments();
  for (const auto& word :
       {std::string("create"), std::string("--bundle"), options.bundle, std::string("--pid-file"), options.pid_file}) {
    plan.arguments.push_back(word);
  }
  if (!options.console_socket.empty()) {
    plan.arguments.emplace_back("--console-socket");
    plan.arguments.push_back(options.console_socket);
  }
  if (options.no_pivot) plan.arguments.emplace_back("--no-pivot");
  if (options.no_new_keyring) plan.arguments.emplace_back("--no-new-keyring");
  if (options.preserve_fds > 0) plan.arguments.push_back(fmt::format("--preserve-fds={}", options.preserve_fds));
  plan.arguments.push_back(options.id);
  // The container inherits standard error; what the runtime itself says goes to a log of its own, read when it fails.
  os::UniqueFd log(::memfd_create("log", MFD_CLOEXEC));
  if (!log.valid()) throw system_error("memfd_create");
  plan.arguments.insert(plan.arguments.begin(), {"--log", fmt::format("/proc/{}/fd/{}", ::getpid(), log.get())});
  os::UniqueFd null = os::open("/dev/null", O_RDWR);
  for (int i = 0; i < 3; ++i) {
    int fd = options.stdio[static_cast<std::size_t>(i)];
    plan.descriptors.emplace_back(fd < 0 ? null.get() : fd, i);
  }
  os::WaitStatus status = os::spawn(plan).wait();
  if (!status.success()) {
    ::lseek(log.get(), 0, SEEK_SET);
    throw_failure(program_, os::read_fd(log.get(), kMaxOutput, "log"));
  }
  auto pid = parse_integer<pid_t>(trim(os::read_file(options.pid_file, 64)));
  if (!pid) throw Error(ErrorCode::Unavailable, fmt::format("{} left no pid in {}", program_, options.pid_file));
  return *pid;
}

void ExternalRuntime::start(const std::string& id) const { call({"start", id}); }

void ExternalRuntime::kill(const std::string& id, int signal, bool all) const {
  if (all) {
    call({"kill", "--all", id, std::to_string(signal)});
  } else {
    call({"kill", id, std::to_string(signal)});
  }
}

void ExternalRuntime::remove(const std::string& id, bool force) const {
  if (force) {
    call({"delete", "--force", id});
  } else {
    call({"delete", id});
  }
}

void ExternalRuntime::pause(const std::string& id, bool paused) const { call({paused ? "pause" : "resume", id}); }

std::optional<std::string> ExternalRuntime::state(const std::string& id) const {
  os::SpawnPlan plan;
  plan.program = program_;
  plan.arguments = global_arguments();
  plan.arguments.emplace_back("state");
  plan.arguments.push_back(id);
  auto output = os::run(plan);
  if (!output.status.success()) return std::nullopt;
  return output.out;
}

os::Child ExternalRuntime::exec(const std::string& id, const std::string& process_file, const std::array<int, 3>& stdio,
                                const std::string& console_socket, const std::string& pid_file) const {
  os::SpawnPlan plan;
  plan.program = program_;
  plan.arguments = global_arguments();
  for (const auto& word : {std::string("exec"), std::string("--process"), process_file}) plan.arguments.push_back(word);
  if (!console_socket.empty()) {
    // With a console the runtime returns once the process runs; the pid file says which one it is.
    for (const auto& word : {std::string("--console-socket"), console_socket, std::string("--detach")})
      plan.arguments.push_back(word);
  }
  if (!pid_file.empty()) {
    plan.arguments.emplace_back("--pid-file");
    plan.arguments.push_back(pid_file);
  }
  plan.arguments.push_back(id);
  for (int i = 0; i < 3; ++i) plan.descriptors.emplace_back(stdio[static_cast<std::size_t>(i)], i);
  return os::spawn(plan);
}

}  // namespace proa::runtime
