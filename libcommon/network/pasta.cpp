#include "libcommon/network/pasta.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/network/ports.h"
#include "libcommon/os/file.h"

namespace proa::network {
namespace {

constexpr int kReadyTimeoutMs = 20'000;

// A FIFO that we hold open for both ends: pasta's open(2) of its pid file does not wait, and its write wakes us.
os::UniqueFd make_ready_fifo(const std::string& path) {
  ::unlink(path.c_str());
  if (::mkfifo(path.c_str(), 0600) < 0) throw system_error("mkfifo " + path);
  return os::open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

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

}  // namespace

Pasta::NamespaceMount::NamespaceMount(int netns_fd, std::string target) : target_(std::move(target)) {
  ::close(os::open(target_, O_CREAT | O_RDONLY | O_CLOEXEC, 0600).release());
  if (::mount(os::fd_path(netns_fd).c_str(), target_.c_str(), nullptr, MS_BIND, nullptr) < 0) {
    throw system_error("bind network namespace on " + target_);
  }
}

Pasta::NamespaceMount::~NamespaceMount() {
  if (!target_.empty()) ::umount2(target_.c_str(), MNT_DETACH);
}

Pasta Pasta::start(PastaRequest request, const std::string& directory, int netns_fd) {
  request.ready_file = os::join(directory, "pasta.ready");
  request.netns = os::join(directory, "netns");
  os::UniqueFd ready = make_ready_fifo(request.ready_file);
  NamespaceMount mount(netns_fd, request.netns);

  int errors[2];
  if (::pipe2(errors, O_CLOEXEC) < 0) throw system_error("pipe2");
  os::UniqueFd errors_out(errors[0]), errors_in(errors[1]);
  const os::UniqueFd null = os::open("/dev/null", O_RDWR | O_CLOEXEC);

  os::SpawnPlan plan;
  plan.program = "pasta";
  plan.arguments = pasta_arguments(request);
  plan.descriptors = {{null.get(), 0}, {null.get(), 1}, {errors_in.get(), 2}};
  plan.parent_death_signal = SIGKILL;
  try {
    return Pasta(std::move(mount), os::spawn(plan), std::move(ready), std::move(errors_out), std::move(request.ports));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) throw;
    throw Error(ErrorCode::Unavailable, "pasta is not installed: the container would have no network",
                "install the package passt, or use --network none or --network host");
  }
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
  if (const auto taken = taken_ports(ports_); !taken.empty()) {
    throw Error(ErrorCode::Unavailable, "cannot publish port " + join(taken, ", "),
                "choose another host port, or leave it out for a free one (-p PORT)");
  }
  const std::string words = last_line(errors_.get());
  throw Error(ErrorCode::Unavailable, "pasta: " + (words.empty() ? std::string("ended without a word") : words));
}

}  // namespace proa::network
