#include "libcommon/os/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"

namespace proa::os {

bool WaitStatus::exited() const noexcept { return WIFEXITED(raw_); }
bool WaitStatus::success() const noexcept { return WIFEXITED(raw_) && WEXITSTATUS(raw_) == 0; }
int WaitStatus::exit_code() const noexcept { return WIFEXITED(raw_) ? WEXITSTATUS(raw_) : -1; }
int WaitStatus::signal() const noexcept { return WIFSIGNALED(raw_) ? WTERMSIG(raw_) : 0; }
int WaitStatus::to_exit_code() const noexcept { return WIFEXITED(raw_) ? WEXITSTATUS(raw_) : 128 + WTERMSIG(raw_); }

std::string WaitStatus::text() const {
  if (WIFEXITED(raw_)) return "exited with " + std::to_string(WEXITSTATUS(raw_));
  const char* name = ::sigabbrev_np(WTERMSIG(raw_));
  return "killed by " + (name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(WTERMSIG(raw_)));
}

namespace {

UniqueFd open_pidfd(pid_t pid) {
  // Linux 5.3. The pid is our unreaped child, so it cannot have been recycled.
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd.valid()) throw system_error("pidfd_open " + std::to_string(pid));
  return fd;
}

}  // namespace

Child::Child(Child&& other) noexcept : pid_(other.pid_), pidfd_(std::move(other.pidfd_)), reaped_(other.reaped_) {
  other.reaped_ = true;
}

Child::~Child() {
  if (reaped_) return;
  ::kill(pid_, SIGKILL);
  int status;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
}

WaitStatus Child::wait() {
  PROA_CHECK(!reaped_);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) throw system_error("wait for process " + std::to_string(pid_));
  }
  reaped_ = true;
  return WaitStatus(status);
}

std::optional<WaitStatus> Child::wait_for(std::chrono::milliseconds timeout) {
  using Clock = std::chrono::steady_clock;
  auto deadline = Clock::now() + timeout;
  pollfd poll_fd{pidfd_.get(), POLLIN, 0};
  while (true) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    int ready = ::poll(&poll_fd, 1, static_cast<int>(std::clamp<long long>(left, 0, INT_MAX)));
    if (ready > 0) return wait();
    if (ready == 0) return std::nullopt;
    if (errno != EINTR) throw system_error("poll");
  }
}

void Child::send(int signal) const {
  if (reaped_) return;
  if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0) != 0 && errno != ESRCH) {
    throw system_error("signal process " + std::to_string(pid_));
  }
}

void Child::disown() noexcept { reaped_ = true; }

std::optional<std::string> find_program(const std::string& name, std::optional<std::string> path) {
  if (name.empty()) return std::nullopt;
  if (name.find('/') != std::string::npos) {
    return ::access(name.c_str(), X_OK) == 0 ? std::optional(name) : std::nullopt;
  }
  if (!path) {
    const char* ours = std::getenv("PATH");
    path = ours != nullptr ? ours : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  }
  for (const auto& directory : split(*path, ':')) {
    std::string candidate = join(directory.empty() ? "." : directory, name);
    // A folder of PATH that we may not search is passed over, as execvp does.
    struct stat info {};
    bool found = ::stat(candidate.c_str(), &info) == 0 && S_ISREG(info.st_mode);
    if (found && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return std::nullopt;
}

namespace {

// Everything the child needs, ready before it exists: it only makes system calls.
struct PreparedSpawn {
  std::string program;
  std::vector<char*> argv;
  std::vector<char*> envp;
  std::vector<std::pair<int, int>> descriptors;
  const char* working_directory;
  bool new_session;
  int parent_death_signal;
  pid_t parent;
  int error = 0;  // written by the child, which shares our memory (CLONE_VM)
};

// Puts the listed descriptors at their numbers. First all go above every target, so that none is overwritten before it
// is copied.
int arrange_descriptors(PreparedSpawn& plan) {
  int above = 3;
  for (const auto& [from, to] : plan.descriptors) above = std::max(above, to + 1);
  for (auto& [from, to] : plan.descriptors) {
    from = ::fcntl(from, F_DUPFD_CLOEXEC, above);
    if (from < 0) return errno;
  }
  std::array<bool, 256> keep{};
  int last = 2;
  for (const auto& [from, to] : plan.descriptors) {
    if (::dup2(from, to) < 0) return errno;
    if (to >= static_cast<int>(keep.size())) return EBADF;
    keep[static_cast<std::size_t>(to)] = true;
    last = std::max(last, to);
  }
  for (int fd = 3; fd <= last; ++fd) {
    if (!keep[static_cast<std::size_t>(fd)]) ::close(fd);
  }
  // close_range: Linux 5.9; everything of ours is close-on-exec anyway.
  ::syscall(SYS_close_range, last + 1, ~0U, 4 /* CLOSE_RANGE_CLOEXEC, 5.11 */);
  return 0;
}

int run_child(PreparedSpawn& plan) {
  if (plan.new_session) ::setsid();
  if (plan.parent_death_signal != 0) {
    ::prctl(PR_SET_PDEATHSIG, plan.parent_death_signal);
    if (::getppid() != plan.parent) return ESRCH;
  }
  if (*plan.working_directory != '\0' && ::chdir(plan.working_directory) != 0) return errno;
  if (int error = arrange_descriptors(plan); error != 0) return error;
  // What a program expects at its start: no blocked signals, SIGPIPE as usual.
  sigset_t none;
  sigemptyset(&none);
  ::signal(SIGPIPE, SIG_DFL);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(plan.program.c_str(), plan.argv.data(), plan.envp.data());
  return errno;
}

int child_main(void* argument) {
  auto& plan = *static_cast<PreparedSpawn*>(argument);
  plan.error = run_child(plan);
  ::_exit(127);
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Child spawn(const SpawnPlan& plan) {
  auto program = find_program(plan.program);
  if (!program) throw Error(ErrorCode::NotFound, "program '" + plan.program + "' not found");
  std::vector<std::string> words{plan.program};
  words.insert(words.end(), plan.arguments.begin(), plan.arguments.end());
  std::vector<std::string> environment;
  if (plan.environment) {
    environment = *plan.environment;
  } else {
    for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  }
  PreparedSpawn prepared{*program,
                         pointers_to(words),
                         pointers_to(environment),
                         plan.descriptors,
                         plan.working_directory.c_str(),
                         plan.new_session,
                         plan.parent_death_signal,
                         ::getpid()};

  // vfork semantics: the child runs in our memory on a stack of its own while this thread waits, so nothing is copied
  // and its error comes back as a plain variable. Signals stay blocked lest a handler of ours runs there.
  alignas(16) static thread_local std::array<char, 64 * 1024> stack;
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t pid = ::clone(child_main, stack.data() + stack.size(), CLONE_VM | CLONE_VFORK | SIGCHLD, &prepared);
  int clone_error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) throw system_error("start " + *program, clone_error);
  if (prepared.error != 0) {
    int status;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    throw system_error("start " + *program, prepared.error);
  }
  return Child(pid, open_pidfd(pid));
}

namespace {

struct PipePair {
  UniqueFd read, write;
};

PipePair make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) throw system_error("pipe");
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// Appends what is there; closes at the end of the stream.
void drain(UniqueFd& fd, std::string& to, std::size_t limit, const std::string& program) {
  std::array<std::byte, 16384> buffer;
  std::size_t got = read_some(fd.get(), buffer, "output of " + program);
  if (got == 0) fd.reset();
  to.append(reinterpret_cast<const char*>(buffer.data()), got);
  if (to.size() > limit)
    throw Error(ErrorCode::LimitExceeded, program + " prints more than " + std::to_string(limit) + " bytes");
}

}  // namespace

Output run(const SpawnPlan& plan, std::string_view input, std::size_t max_output) {
  PipePair in = make_pipe(), out = make_pipe(), err = make_pipe();
  SpawnPlan piped = plan;
  piped.descriptors.insert(piped.descriptors.end(), {{in.read.get(), 0}, {out.write.get(), 1}, {err.write.get(), 2}});
  Child child = spawn(piped);
  in.read.reset();
  out.write.reset();
  err.write.reset();
  ::fcntl(in.write.get(), F_SETFL, O_NONBLOCK);

  Output result{WaitStatus(0), {}, {}};
  sigset_t pipe_signal, before;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  while (out.read.valid() || err.read.valid()) {
    if (input.empty()) in.write.reset();
    pollfd fds[3] = {{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}, {in.write.get(), POLLOUT, 0}};
    if (::poll(fds, 3, -1) < 0 && errno != EINTR) throw system_error("poll");
    if (fds[0].revents != 0) drain(out.read, result.out, max_output, plan.program);
    if (fds[1].revents != 0) drain(err.read, result.err, max_output, plan.program);
    if (fds[2].revents != 0) {
      ssize_t written = ::write(in.write.get(), input.data(), input.size());
      if (written >= 0) input.remove_prefix(static_cast<std::size_t>(written));
      if (written < 0 && errno != EAGAIN && errno != EINTR) input = {};  // it does not want to read: its own decision
    }
  }
  // A SIGPIPE that came from the write above must not reach the caller once unblocked.
  timespec zero{};
  while (::sigtimedwait(&pipe_signal, nullptr, &zero) > 0) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  result.status = child.wait();
  return result;
}

Child fork_process(const std::function<int()>& body) {
  pid_t pid = ::fork();
  if (pid < 0) throw system_error("fork");
  if (pid == 0) {
    int code = 125;
    try {
      code = body();
    } catch (const std::exception& error) {
      std::string line = std::string("Error: ") + error.what() + "\n";
      [[maybe_unused]] auto written = ::write(STDERR_FILENO, line.data(), line.size());
    }
    ::_exit(code);
  }
  return Child(pid, open_pidfd(pid));
}

std::optional<std::uint64_t> process_start_time(pid_t pid) {
  std::optional<std::string> text;
  try {
    text = try_read_file("/proc/" + std::to_string(pid) + "/stat", 8192);
  } catch (const Error& error) {
    if (error.error_number() != ESRCH) throw;  // ended between open and read
  }
  if (!text) return std::nullopt;
  // proc_pid_stat(5): the second field holds any bytes in parentheses; start time is field 22, the 20th after the last
  // ')'.
  auto after_name = cut_last(*text, ") ");
  if (!after_name) return std::nullopt;
  auto fields = split(after_name->second, ' ');
  return fields.size() > 19 ? parse_integer<std::uint64_t>(fields[19]) : std::nullopt;
}

}  // namespace proa::os
