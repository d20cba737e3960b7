#include "tools/run/monitor/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "libcommon/base/error.h"
#include "libcommon/os/tty.h"
#include "tools/run/monitor/protocol.h"

namespace proa::monitor {
namespace {

std::pair<os::UniqueFd, os::UniqueFd> make_pipe(unsigned uid, unsigned gid) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) throw system_error("pipe2");
  std::pair<os::UniqueFd, os::UniqueFd> pipe{os::UniqueFd(ends[0]), os::UniqueFd(ends[1])};
  // Opening /dev/stdout asks for the rights of the pipe's inode. With a single mapped id it cannot be given away, and
  // need not be.
  if (uid != 0 && ::fchown(ends[0], uid, gid) < 0 && errno != EINVAL && errno != EPERM)
    throw system_error("fchown pipe");
  return pipe;
}

void set_nonblocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

}  // namespace

Stdio::~Stdio() {
  for (auto& output : outputs_) close(output);
  if (input_watched_) loop_.remove(input_.valid() ? input_.get() : terminal_.get());
}

std::array<int, 3> Stdio::make_pipes(bool with_stdin, unsigned uid, unsigned gid) {
  for (std::size_t i = 0; i < 2; ++i) {
    auto [read_end, write_end] = make_pipe(uid, gid);
    outputs_[i].fd = std::move(read_end);
    container_ends_[i + 1] = std::move(write_end);
    set_nonblocking(outputs_[i].fd.get());
  }
  if (with_stdin) {
    auto [read_end, write_end] = make_pipe(uid, gid);
    container_ends_[0] = std::move(read_end);
    input_ = std::move(write_end);
    set_nonblocking(input_.get());
  }
  return {container_ends_[0].get(), container_ends_[1].get(), container_ends_[2].get()};
}

void Stdio::close_container_ends() {
  for (auto& end : container_ends_) end.reset();
}

void Stdio::use_terminal(os::UniqueFd master) {
  terminal_ = std::move(master);
  set_nonblocking(terminal_.get());
  outputs_[0].fd = os::UniqueFd(::fcntl(terminal_.get(), F_DUPFD_CLOEXEC, 3));
}

void Stdio::watch() { pause_output(clients_.congested()); }

void Stdio::pause_output(bool paused) {
  for (auto& output : outputs_) {
    if (!output.fd.valid() || output.watched == !paused) continue;
    output.watched = !paused;
    if (paused) {
      loop_.remove(output.fd.get());
      continue;
    }
    loop_.add(output.fd.get(), EPOLLIN, [this, &output](std::uint32_t) {
      if (!read_output(output)) return;
      if (clients_.congested()) pause_output(true);
    });
  }
}

bool Stdio::read_output(Output& output) {
  if (!output.fd.valid()) return false;
  std::array<char, kChunk> buffer;
  const ssize_t size = ::read(output.fd.get(), buffer.data(), buffer.size());
  if (size > 0) {
    const std::string_view data(buffer.data(), static_cast<std::size_t>(size));
    log_.write(output.stream, data);
    clients_.send_output(output.type, data);
    return true;
  }
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  // The end, or EIO: the last process with the terminal is gone. With a terminal another one may still open it.
  close(output);
  return false;
}

void Stdio::close(Output& output) {
  if (output.watched) loop_.remove(output.fd.get());
  output.watched = false;
  output.fd.reset();
}

void Stdio::drain() {
  for (auto& output : outputs_) {
    while (read_output(output)) {
    }
    close(output);
  }
}

void Stdio::write_input(std::string_view data) {
  if (!input_.valid() && !terminal_.valid()) return;
  pending_input_ += data;
  flush_input();
}

void Stdio::end_input() {
  // A terminal does not end; its users type ^D.
  if (terminal_.valid()) return write_input("\x04");
  input_ends_ = true;
  flush_input();
}

void Stdio::flush_input() {
  const int fd = terminal_.valid() ? terminal_.get() : input_.get();
  if (fd < 0) return;
  while (!pending_input_.empty()) {
    const ssize_t size = ::write(fd, pending_input_.data(), pending_input_.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno != EAGAIN) {
      pending_input_.clear();  // nobody reads any more
      break;
    }
    if (size < 0) break;
    pending_input_.erase(0, static_cast<std::size_t>(size));
  }
  const bool blocked = !pending_input_.empty();
  if (blocked != input_watched_) {
    input_watched_ = blocked;
    if (blocked) {
      loop_.add(fd, EPOLLOUT, [this](std::uint32_t) { flush_input(); });
    } else {
      loop_.remove(fd);
    }
    clients_.pause_input(blocked);
  }
  if (!blocked && input_ends_) input_.reset();
}

void Stdio::resize(const winsize& size) {
  if (terminal_.valid()) os::set_window_size(terminal_.get(), size);
}

}  // namespace proa::monitor
