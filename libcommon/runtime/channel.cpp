#include "libcommon/runtime/channel.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "libcommon/base/strings.h"

namespace proa::runtime {
namespace {

constexpr std::size_t kMaxMessage = 8192;

union ControlBuffer {
  cmsghdr align;
  std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

[[noreturn]] void throw_failure(const std::string& payload) {
  auto parts = split(payload, '\0', 4);
  if (parts.size() != 4) throw Error(ErrorCode::Internal, "container init sent a broken message");
  auto number = [](const std::string& text) { return parse_integer<int>(text).value_or(0); };
  auto step = static_cast<InitStep>(number(parts[0]));
  throw LaunchError(
      step, static_cast<ErrorCode>(number(parts[1])), number(parts[2]),
      step == InitStep::Exec ? parts[3] : fmt::format("container init: {}: {}", step_name(step), parts[3]));
}

}  // namespace

std::pair<MessageSocket, MessageSocket> MessageSocket::make_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) throw system_error("socketpair");
  return {MessageSocket(os::UniqueFd(ends[0])), MessageSocket(os::UniqueFd(ends[1]))};
}

void MessageSocket::send(Message kind, std::string_view payload, int fd) const {
  auto code = static_cast<std::uint8_t>(kind);
  std::string text(payload.substr(0, kMaxMessage - 1));
  std::array<iovec, 2> parts{iovec{&code, 1}, iovec{text.data(), text.size()}};
  msghdr header{};
  header.msg_iov = parts.data();
  header.msg_iovlen = parts.size();
  ControlBuffer control{};
  if (fd >= 0) {
    header.msg_control = control.bytes.data();
    header.msg_controllen = control.bytes.size();
    cmsghdr* ancillary = CMSG_FIRSTHDR(&header);
    ancillary->cmsg_level = SOL_SOCKET;
    ancillary->cmsg_type = SCM_RIGHTS;
    ancillary->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(ancillary), &fd, sizeof fd);
  }
  ssize_t sent;
  do {
    sent = ::sendmsg(fd_.get(), &header, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) throw system_error("send to the container's init");
}

void MessageSocket::send_failure(InitStep step, const std::exception& error) const noexcept {
  try {
    int exit_code = 125;
    auto code = ErrorCode::Internal;
    std::string text = error.what();
    if (const auto* ours = dynamic_cast<const Error*>(&error)) {
      code = ours->code();
      text = ours->message();
    }
    if (const auto* exec = dynamic_cast<const ExecError*>(&error)) exit_code = exec->exit_code();
    std::string payload = fmt::format("{}", static_cast<int>(step));
    for (const auto& part : {fmt::format("{}", static_cast<int>(code)), fmt::format("{}", exit_code), text}) {
      payload += '\0';
      payload += part;
    }
    send(Message::Failed, payload);
  } catch (...) {
    // Nobody is there to be told.
  }
}

std::optional<Received> MessageSocket::receive() const {
  std::array<char, kMaxMessage> buffer{};
  iovec part{buffer.data(), buffer.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  ControlBuffer control{};
  header.msg_control = control.bytes.data();
  header.msg_controllen = control.bytes.size();
  ssize_t got;
  do {
    got = ::recvmsg(fd_.get(), &header, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno != ECONNRESET) throw system_error("receive from the container's init");
  if (got <= 0) return std::nullopt;
  Received received{
      static_cast<Message>(buffer[0]), std::string(buffer.data() + 1, static_cast<std::size_t>(got) - 1), {}};
  const cmsghdr* ancillary = CMSG_FIRSTHDR(&header);
  if (ancillary != nullptr && ancillary->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(ancillary), sizeof fd);
    received.fd = os::UniqueFd(fd);
  }
  return received;
}

std::optional<Received> MessageSocket::receive_or_throw() const {
  auto received = receive();
  if (received && received->kind == Message::Failed) throw_failure(received->payload);
  return received;
}

const char* step_name(InitStep step) {
  constexpr std::array kNames{
      "clone",   "join namespaces", "id maps", "session", "keyring",           "cgroup",   "root",
      "mounts",  "devices",         "console", "masks",   "network",           "hostname", "sysctl",
      "limits",  "pivot_root",      "hooks",   "labels",  "working directory", "identity", "capabilities",
      "seccomp", "start",           "exec"};
  static_assert(kNames.size() == static_cast<std::size_t>(InitStep::Exec) + 1);
  auto index = static_cast<std::size_t>(step);
  return index < kNames.size() ? kNames[index] : "unknown step";
}

}  // namespace proa::runtime
