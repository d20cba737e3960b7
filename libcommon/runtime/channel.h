// Messages between a launcher and the process it sets up, one datagram each (SOCK_SEQPACKET). The last end in the new
// process closes on exec, so the end of the channel after Start means that the command runs.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "libcommon/os/unique_fd.h"
#include "libcommon/runtime/launch.h"

namespace proa::runtime {

enum class Message : std::uint8_t {
  Failed,      // child: step, code and text follow
  Namespaces,  // child: they exist; waits for Continue
  Ready,       // child: set up, waits for Start; carries the pty's master when there is one
  Spawned,     // intermediate process: the pid follows
  Continue,
  Start,
  ExecFailed,  // the trampoline: one byte, errno
  Listener,    // child, before Ready: the descriptor for owner_recorder.h
};

struct Received {
  Message kind;
  std::string payload;
  os::UniqueFd fd;
};

class MessageSocket {
 public:
  explicit MessageSocket(os::UniqueFd fd) : fd_(std::move(fd)) {}
  static std::pair<MessageSocket, MessageSocket> make_pair();

  int fd() const noexcept { return fd_.get(); }
  void close() noexcept { fd_.reset(); }
  bool open() const noexcept { return fd_.valid(); }
  void send(Message kind, std::string_view payload = {}, int fd = -1) const;
  // Does not throw: for reports of failure, when nobody may listen any more.
  void send_failure(InitStep step, const std::exception& error) const noexcept;
  std::optional<Received> receive() const;  // nullopt: the other end is gone
  // Throws LaunchError for Failed.
  std::optional<Received> receive_or_throw() const;

 private:
  os::UniqueFd fd_;
};

// What a failed execve(2) of `program` means, with the text and exit status for it.
class ExecError;
ExecError exec_failure(const std::string& program, int error);

// Thrown inside the new process when the command itself is at fault: 126 or 127.
class ExecError : public Error {
 public:
  ExecError(ErrorCode code, int exit_code, std::string message)
      : Error(code, std::move(message)), exit_code_(exit_code) {}
  int exit_code() const noexcept { return exit_code_; }

 private:
  int exit_code_;
};

}  // namespace proa::runtime
