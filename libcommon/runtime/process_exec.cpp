// Finding and running the command, and process 1 with --init.
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/runtime/process_setup.h"
#include "libcommon/runtime/trampoline.h"

namespace proa::runtime {
namespace {

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string search_path(const std::vector<std::string>& environment) {
  std::string path = kDefaultPath;
  for (const auto& entry : environment) {
    if (entry.starts_with("PATH=")) path = entry.substr(5);
  }
  return path;
}

[[noreturn]] void cannot_execute(const std::string& program, int error) {
  bool absent = error == ENOENT || error == ENOTDIR;
  throw ExecError(code_for_errno(error), absent ? 127 : 126,
                  fmt::format("exec {}: {}", escape_control(program), errno_text(error)));
}

int executable_error(const std::string& candidate) {
  struct stat info {};
  if (::stat(candidate.c_str(), &info) != 0) return errno;
  if (S_ISDIR(info.st_mode)) return EISDIR;
  return ::faccessat(AT_FDCWD, candidate.c_str(), X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> list;
  list.reserve(words.size() + 1);
  for (const auto& word : words) list.push_back(const_cast<char*>(word.c_str()));
  list.push_back(nullptr);
  return list;
}

pid_t start_command(const ProcessPlan& plan, const std::string& program, MessageSocket& channel) {
  pid_t child = ::fork();
  if (child < 0) throw system_error("fork");
  if (child == 0) {
    try {
      // A group of its own, in the foreground, so that ^C reaches the command once and not by us as well.
      ::setpgid(0, 0);
      ::signal(SIGTTOU, SIG_IGN);
      if (::isatty(0) == 1) ::tcsetpgrp(0, ::getpid());
      reset_signals();
      exec_command(plan, program, channel);
    } catch (const std::exception& error) {
      channel.send_failure(InitStep::Exec, error);
    }
    ::_exit(127);
  }
  return child;
}

}  // namespace

std::string find_command(const ProcessPlan& plan) {
  const std::string& name = plan.process.args.front();
  if (name.empty()) cannot_execute("''", ENOENT);
  if (name.find('/') != std::string::npos) {
    if (int error = executable_error(name); error != 0) cannot_execute(name, error == EISDIR ? EACCES : error);
    return name;
  }
  int worst = ENOENT;
  for (const auto& directory : split(search_path(plan.process.env), ':')) {
    std::string candidate = (directory.empty() ? "." : directory) + "/" + name;
    int error = executable_error(candidate);
    if (error == 0) return candidate;
    if (error == EACCES) worst = EACCES;
  }
  if (worst == ENOENT) {
    throw ExecError(ErrorCode::NotFound, 127,
                    fmt::format("exec {}: executable file not found in $PATH of the container", escape_control(name)));
  }
  cannot_execute(name, worst);
}

ExecError exec_failure(const std::string& program, int error) {
  // The file was there a moment ago.
  if (error == ENOENT) {
    return ExecError(ErrorCode::NotFound, 127,
                     fmt::format("exec {}: its interpreter or loader does not exist", escape_control(program)));
  }
  return ExecError(code_for_errno(error), 126, fmt::format("exec {}: {}", escape_control(program), errno_text(error)));
}

void exec_command(const ProcessPlan& plan, const std::string& program, const MessageSocket& channel) {
  auto argv = pointers(plan.process.args);
  auto envp = pointers(plan.process.env);
  // Last of all: no descriptor of ours reaches the container, whoever opened it (rule 4). The channel closes with the
  // exec.
  if (::close_range(3 + plan.preserve_fds, ~0U, CLOSE_RANGE_CLOEXEC) != 0) throw system_error("close_range");
  for (unsigned fd = 3; fd < 3 + plan.preserve_fds; ++fd) ::fcntl(static_cast<int>(fd), F_SETFD, 0);
  if (plan.trampoline.valid()) {
    int error = exec_by_trampoline(plan.trampoline.get(), channel.fd(), program, argv, envp);
    throw system_error("execute the trampoline", error);
  }
  ::execve(program.c_str(), argv.data(), envp.data());
  throw exec_failure(program, errno);
}

int run_init(const ProcessPlan& plan, const std::string& program, MessageSocket& channel) {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  pid_t child = start_command(plan, program, channel);
  channel.close();
  while (true) {
    siginfo_t info{};
    if (::sigwaitinfo(&all, &info) < 0) continue;
    if (info.si_signo != SIGCHLD) {
      if (info.si_signo != SIGTTOU && info.si_signo != SIGTTIN) ::kill(child, info.si_signo);
      continue;
    }
    int status = 0;
    for (pid_t ended = ::waitpid(-1, &status, WNOHANG); ended > 0; ended = ::waitpid(-1, &status, WNOHANG)) {
      if (ended == child) return os::WaitStatus(status).to_exit_code();
    }
  }
}

}  // namespace proa::runtime
