#include "libcommon/network/pasta.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <functional>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/network/ports.h"
#include "libcommon/os/file.h"
#include "libcommon/os/socket.h"

namespace proa::network {
namespace {

constexpr int kReadyTimeoutMs = 20'000;

// What pasta said last, without its complaints about a missing syslog.
std::string last_line(int fd) {
  std::string text(4096, '\0');
  const ssize_t size = ::read(fd, text.data(), text.size());
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  std::string last;
  for (const auto& line : split(text, '\n')) {
    const std::string_view trimmed = trim(line);
    if (!trimmed.empty() && trimmed.find("to syslog") == std::string_view::npos) last = trimmed;
  }
  return last;
}

// pasta goes on when it could bind some of the ports only.
void refuse_taken(const std::vector<spec::PortMapping>& ports) {
  if (const auto taken = taken_ports(ports); !taken.empty()) {
    throw Error(ErrorCode::Unavailable, "cannot publish port " + join(taken, ", "),
                "choose another host port, or leave it out for a free one (-p PORT)");
  }
}

// What the new process does before it is pasta. A FIFO, opened for both ends: pasta's open(2) of its pid file does not
// wait, and its write wakes us.
int become_pasta(const std::string& program, const PastaRequest& request, const std::string& folder, int netns_fd,
                 int report, int errors) {
  if (::unshare(CLONE_NEWNS) < 0) throw system_error("unshare mounts for pasta");
  if (::mount("tmpfs", folder.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=0755") < 0) {
    throw system_error("mount tmpfs for pasta");
  }
  const char* ready_file = request.ready_file.c_str();
  if (::mkfifo(ready_file, 0600) < 0 || ::chmod(ready_file, 0666) < 0) throw system_error("mkfifo for pasta");
  const os::UniqueFd ready = os::open(request.ready_file, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  const os::UniqueFd target = os::open(request.netns, O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
  if (::mount(os::fd_path(netns_fd).c_str(), request.netns.c_str(), nullptr, MS_BIND, nullptr) < 0) {
    throw system_error("bind network namespace");
  }
  const int passed[] = {ready.get()};
  os::send_message(report, "r", passed);

  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // Debian 12's pasta takes an ignored SIGPIPE that it inherits for a failure; Python and some supervisors ignore it.
  ::signal(SIGPIPE, SIG_DFL);
  const os::UniqueFd null = os::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (::dup2(null.get(), 0) < 0 || ::dup2(null.get(), 1) < 0 || ::dup2(errors, 2) < 0) throw system_error("dup2");
  ::close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
  std::vector<std::string> words = pasta_arguments(request);
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  throw system_error("start " + program);
}

}  // namespace

// One start: how the child comes by the network namespace, and what the parent does for it meanwhile.
struct Pasta::Start {
  std::function<os::UniqueFd(int socket)> find_namespace;  // in the child
  std::function<void(int socket, pid_t child)> assist;     // in the parent
};

Pasta Pasta::start(PastaRequest request, int netns_fd) {
  Start how;
  how.find_namespace = [&](int) { return os::UniqueFd(::fcntl(netns_fd, F_DUPFD_CLOEXEC, 3)); };
  how.assist = [](int, pid_t) {};
  return start(std::move(request), how);
}

namespace {

void expect_word(int socket) {
  if (!os::receive_message(socket)) throw Error(ErrorCode::Unavailable, "the helper of pasta ended");
}

// A new network namespace that belongs to our user namespace, while we stay where we are.
os::UniqueFd make_network_namespace() {
  auto [ours, childs] = os::socket_pair();
  os::Child child = os::fork_process([report = childs.get()] {
    if (::unshare(CLONE_NEWNET) < 0) throw system_error("unshare network");
    const os::UniqueFd space = os::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    const int passed[] = {space.get()};
    os::send_message(report, "n", passed);
    return 0;
  });
  childs.reset();
  auto message = os::receive_message(ours.get());
  child.wait();
  if (!message || message->descriptors.empty()) throw Error(ErrorCode::Unavailable, "no network namespace was made");
  return std::move(message->descriptors.front());
}

void write_file(const std::string& path, std::string_view text) {
  os::write_all(os::open(path, O_WRONLY | O_CLOEXEC).get(), text, path);
}

}  // namespace

std::pair<Pasta, os::UniqueFd> Pasta::start_with_namespace(PastaRequest request) {
  os::UniqueFd space;
  Start how;
  how.find_namespace = [](int socket) {
    if (::unshare(CLONE_NEWUSER) < 0) throw system_error("unshare user namespace for pasta");
    os::send_message(socket, "u");
    expect_word(socket);
    os::UniqueFd made = make_network_namespace();
    const int passed[] = {made.get()};
    os::send_message(socket, "n", passed);
    return made;
  };
  how.assist = [&](int socket, pid_t child) {
    expect_word(socket);
    // One id, so that pasta does not take itself for root of the first user namespace.
    write_file(fmt::format("/proc/{}/uid_map", child), "0 0 1\n");
    write_file(fmt::format("/proc/{}/gid_map", child), "0 0 1\n");
    os::send_message(socket, "m");
    if (auto message = os::receive_message(socket); message && !message->descriptors.empty()) {
      space = std::move(message->descriptors.front());
    }
  };
  Pasta pasta = start(std::move(request), how);
  if (!space.valid()) throw Error(ErrorCode::Unavailable, "pasta: no network namespace was made");
  return {std::move(pasta), std::move(space)};
}

Pasta Pasta::start(PastaRequest request, Start& how) {
  const auto program = os::find_program("pasta");
  if (!program) {
    throw Error(ErrorCode::Unavailable, "pasta is not installed: the container would have no network",
                "install the package passt, or use --network none or --network host");
  }
  // Debian's AppArmor profile lets pasta have files in /tmp.
  const std::string folder = program->starts_with("/tmp/") ? "/mnt" : "/tmp";
  request.netns = folder + "/netns";
  request.ready_file = folder + "/ready";
  (void)pasta_arguments(request);  // throws here rather than in the child
  refuse_taken(request.ports);

  int errors[2];
  if (::pipe2(errors, O_CLOEXEC) < 0) throw system_error("pipe2");
  os::UniqueFd errors_out(errors[0]), errors_in(errors[1]);
  auto [ours, childs] = os::socket_pair();
  const pid_t parent = ::getpid();
  os::Child child = os::fork_process([&, report = childs.get(), &ours = ours] {
    ours.reset();
    // The kernel ends it with us. Asked for after the fork, so look whether that has happened already.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) return 1;
    try {
      const os::UniqueFd space = how.find_namespace(report);
      return become_pasta(*program, request, folder, space.get(), report, errors_in.get());
    } catch (const Error& error) {
      os::write_all(errors_in.get(), error.text() + "\n", "pipe");
      return 1;
    }
  });
  childs.reset();
  errors_in.reset();
  how.assist(ours.get(), child.pid());
  os::UniqueFd ready;
  if (auto message = os::receive_message(ours.get()); message && !message->descriptors.empty()) {
    ready = std::move(message->descriptors.front());
  }
  return Pasta(std::move(child), std::move(ready), std::move(errors_out), std::move(request.ports));
}

void Pasta::wait_ready() {
  std::array<pollfd, 2> wait{pollfd{ready_.get(), POLLIN, 0}, pollfd{child_.pidfd(), POLLIN, 0}};
  int count;
  do count = ::poll(wait.data(), wait.size(), kReadyTimeoutMs);
  while (count < 0 && errno == EINTR);
  if (count < 0) throw system_error("poll");
  if ((wait[0].revents & POLLIN) != 0) {
    ready_.reset();
    errors_.reset();
    return;
  }
  if (count == 0) throw Error(ErrorCode::Unavailable, "pasta did not set up the network in time");
  refuse_taken(ports_);
  const std::string words = last_line(errors_.get());
  const bool no_tun = words.find("tun socket") != std::string::npos;
  throw Error(
      ErrorCode::Unavailable, "pasta: " + (words.empty() ? std::string("ended without a word") : words),
      no_tun ? "it needs /dev/net/tun, which udev opens to everybody (mode 666); --network none and host do not" : "");
}

}  // namespace proa::network
