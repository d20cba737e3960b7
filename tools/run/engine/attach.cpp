#include "tools/run/engine/attach.h"

#include <errno.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/event_loop.h"
#include "libcommon/os/file.h"
#include "libcommon/os/socket.h"
#include "libcommon/os/tty.h"

namespace proa::engine {

using monitor::message;

namespace {

sigset_t proxied_signals(bool proxy) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGWINCH);
  if (!proxy) return set;
  for (int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGALRM}) sigaddset(&set, signal);
  return set;
}

// One conversation. poll(2), not epoll: stdin may be a regular file.
class Session {
 public:
  Session(int socket, const AttachOptions& options)
      : socket_(socket),
        options_(options),
        keys_(options.terminal ? parse_detach_keys(options.detach_keys) : std::string()),
        signals_(proxied_signals(options.sig_proxy)),
        reading_(options.input) {
    if (options.terminal && os::is_terminal(STDIN_FILENO)) {
      send_size();
      if (options.input) raw_.emplace(STDIN_FILENO);
    }
  }

  AttachResult run() {
    while (!done_) step();
    return result_;
  }

 private:
  void step() {
    std::array<pollfd, 3> fds{pollfd{socket_, static_cast<short>(POLLIN | (pending_.empty() ? 0 : POLLOUT)), 0},
                              pollfd{signals_.fd(), POLLIN, 0},
                              pollfd{reading_ && pending_.empty() ? STDIN_FILENO : -1, POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0) {
      if (errno == EINTR) return;
      throw system_error("poll");
    }
    if (fds[1].revents != 0) forward_signals();
    if ((fds[0].revents & POLLOUT) != 0) flush();
    if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) receive();
    if (!done_ && fds[2].revents != 0) read_stdin();
  }

  void receive() {
    const auto record = os::try_receive_message(socket_);
    if (!record) {
      result_.lost = done_ = true;
      return;
    }
    if (record->data.empty()) return;
    const std::string_view body = std::string_view(record->data).substr(1);
    switch (record->data.front()) {
      case monitor::kOutput:
        if (options_.output) os::write_all(STDOUT_FILENO, body, "standard output");
        break;
      case monitor::kErrorOutput:
        if (options_.output) os::write_all(STDERR_FILENO, body, "standard error");
        break;
      case monitor::kExit:
        result_.exit_code = parse_integer<int>(body).value_or(125);
        done_ = true;
        break;
      default:
        break;
    }
  }

  void read_stdin() {
    std::array<char, monitor::kChunk> buffer;
    const ssize_t size = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (size <= 0) {
      reading_ = false;
      return send(message(monitor::kInputEnd));
    }
    std::string_view typed(buffer.data(), static_cast<std::size_t>(size));
    std::string kept;
    if (options_.terminal) {
      kept = keys_.feed(typed);
      typed = kept;
    }
    if (!typed.empty()) send(message(monitor::kInput, typed));
    if (keys_.matched()) result_.detached = done_ = true;
  }

  void forward_signals() {
    for (const auto& signal : signals_.read()) {
      if (signal.ssi_signo == SIGWINCH) {
        send_size();
      } else {
        send(message(monitor::kSignal, std::to_string(signal.ssi_signo)));
      }
    }
  }

  void send_size() {
    const auto size = os::window_size(STDIN_FILENO);
    if (size) send(message(monitor::kResize, fmt::format("{} {}", size->ws_row, size->ws_col)));
  }

  void send(std::string record) {
    pending_.push_back(std::move(record));
    flush();
  }

  // Never blocks: while the container does not read, its output has to be read here.
  void flush() {
    while (!pending_.empty() && os::try_send_message(socket_, pending_.front())) pending_.erase(pending_.begin());
  }

  int socket_;
  const AttachOptions& options_;
  KeyMatcher keys_;
  os::SignalFd signals_;
  std::optional<os::RawMode> raw_;
  std::vector<std::string> pending_;
  bool reading_, done_ = false;
  AttachResult result_;
};

}  // namespace

std::optional<monitor::Failure> wait_ready(int socket) {
  for (;;) {
    const auto record = os::receive_message(socket);
    if (!record) return monitor::Failure{125, "the container's monitor was killed", {}};
    const std::string_view body = std::string_view(record->data).substr(1);
    switch (record->data.front()) {
      case monitor::kReady:
        return std::nullopt;
      case monitor::kFailure:
        return monitor::Failure::parse(body);
      case monitor::kNote:
        log::note(escape_control(body));
        break;
      default:
        break;
    }
  }
}

AttachResult attach(int socket, const AttachOptions& options) { return Session(socket, options).run(); }

std::optional<os::UniqueFd> ask_monitor(const Containers& containers, const std::string& id, std::string_view record) {
  const auto dir = os::try_open(containers.run_dir(id), O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (!dir) return std::nullopt;
  auto socket = os::connect_at(dir->get(), monitor::kControlSocket);
  if (!socket) return std::nullopt;
  try {
    os::send_message(socket->get(), record);
  } catch (const Error& error) {
    if (error.error_number() != EPIPE && error.error_number() != ECONNRESET) throw;
    return std::nullopt;
  }
  return socket;
}

std::string parse_detach_keys(std::string_view text) {
  std::string keys;
  if (text.empty()) return keys;
  for (const auto& key : split(text, ',')) {
    if (key.size() == 1) {
      keys += key;
    } else if (key.size() == 6 && key.starts_with("ctrl-") && key[5] >= '@' && key[5] <= 'z') {
      keys += static_cast<char>(key[5] & 0x1f);
    } else {
      throw Error(ErrorCode::InvalidArgument, fmt::format("--detach-keys={}: '{}' is no key", text, key),
                  "write single characters or ctrl-a to ctrl-z, separated by commas");
    }
  }
  return keys;
}

std::string KeyMatcher::feed(std::string_view typed) {
  if (keys_.empty()) return std::string(typed);
  std::string pass;
  for (const char c : typed) {
    if (c == keys_[at_]) {
      if (++at_ == keys_.size()) {
        matched_ = true;
        return pass;
      }
      continue;
    }
    // Not the sequence after all: what was held back was meant for the container.
    pass.append(keys_, 0, at_);
    at_ = 0;
    if (c == keys_[0]) {
      at_ = 1;
    } else {
      pass += c;
    }
  }
  return pass;
}

}  // namespace proa::engine
