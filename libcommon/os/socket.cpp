#include "libcommon/os/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>

#include "libcommon/base/error.h"

namespace proa::os {
namespace {

constexpr std::size_t kMaxDescriptors = 8;

sockaddr_un address_of(int directory, std::string_view name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fd_path(directory) + "/" + std::string(name);
  if (path.size() >= sizeof address.sun_path)
    throw Error(ErrorCode::InvalidArgument, "socket name is too long: " + path);
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

UniqueFd make_socket(int type) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_CLOEXEC | type, 0));
  if (!fd.valid()) throw system_error("socket AF_UNIX");
  return fd;
}

std::optional<Message> receive(int socket, int flags) {
  Message message;
  message.data.resize(kMaxMessage);
  iovec part{message.data.data(), message.data.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxDescriptors)> control;
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t size;
  do size = ::recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
  while (size < 0 && errno == EINTR);
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Message{};
  if (size < 0 && errno == ECONNRESET) return std::nullopt;
  if (size < 0) throw system_error("recvmsg");
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(item) + i * sizeof(int), sizeof fd);
      message.descriptors.emplace_back(fd);
    }
  }
  if (size == 0 && message.descriptors.empty()) return std::nullopt;
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    throw Error(ErrorCode::LimitExceeded, "record on a control socket is too long");
  }
  message.data.resize(static_cast<std::size_t>(size));
  return message;
}

}  // namespace

std::pair<UniqueFd, UniqueFd> socket_pair() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) throw system_error("socketpair");
  return {UniqueFd(pair[0]), UniqueFd(pair[1])};
}

UniqueFd listen_at(int directory, std::string_view name, mode_t mode, int type) {
  const std::string file(name);
  UniqueFd fd = make_socket(type | SOCK_NONBLOCK);
  const sockaddr_un address = address_of(directory, name);
  // The mode of the socket file is that of the socket's inode less umask: no moment with a wider one.
  if (::fchmod(fd.get(), mode) < 0) throw system_error("fchmod socket");
  int result = ::bind(fd.get(), generic(address), sizeof address);
  if (result < 0 && errno == EADDRINUSE && ::unlinkat(directory, file.c_str(), 0) == 0) {
    result = ::bind(fd.get(), generic(address), sizeof address);
  }
  if (result < 0) throw system_error("bind " + file);
  if (::listen(fd.get(), 16) < 0) throw system_error("listen " + file);
  return fd;
}

std::optional<UniqueFd> connect_at(int directory, std::string_view name) {
  UniqueFd fd = make_socket(SOCK_SEQPACKET);
  const sockaddr_un address = address_of(directory, name);
  int result;
  do result = ::connect(fd.get(), generic(address), sizeof address);
  while (result < 0 && errno == EINTR);
  if (result == 0) return fd;
  if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) return std::nullopt;
  throw system_error("connect " + std::string(name));
}

std::optional<UniqueFd> accept(int listener) {
  UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (fd.valid()) return fd;
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ECONNABORTED || errno == EINTR) return std::nullopt;
  throw system_error("accept");
}

void send_message(int socket, std::string_view data, std::span<const int> descriptors) {
  PROA_CHECK(descriptors.size() <= kMaxDescriptors);
  iovec part{const_cast<char*>(data.data()), data.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxDescriptors)> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    memcpy(CMSG_DATA(item), descriptors.data(), descriptors.size_bytes());
  }
  ssize_t size;
  do size = ::sendmsg(socket, &header, MSG_NOSIGNAL);
  while (size < 0 && errno == EINTR);
  if (size < 0) throw system_error("sendmsg");
}

bool try_send_message(int socket, std::string_view data) noexcept {
  return ::send(socket, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(data.size());
}

std::optional<Message> receive_message(int socket) {
  auto message = receive(socket, 0);
  if (message && message->data.empty() && message->descriptors.empty()) throw system_error("recvmsg", EAGAIN);
  return message;
}

std::optional<Message> try_receive_message(int socket) { return receive(socket, MSG_DONTWAIT); }

PeerCredentials peer_credentials(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) throw system_error("SO_PEERCRED");
  return {credentials.pid, credentials.uid, credentials.gid};
}

}  // namespace proa::os
