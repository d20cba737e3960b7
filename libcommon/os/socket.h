// Unix sockets that carry records (SOCK_SEQPACKET) and descriptors (SCM_RIGHTS). unix(7).
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcommon/os/file.h"
#include "libcommon/os/unique_fd.h"

namespace proa::os {

std::pair<UniqueFd, UniqueFd> socket_pair();

// A listening socket as a file in a directory of ours, given by descriptor (sun_path holds 107 bytes only; the path
// goes through /proc/self/fd). A socket that a dead process left is replaced. Never in the abstract name space, which
// containers with the host's network would reach. Non-blocking.
UniqueFd listen_at(int directory, std::string_view name, mode_t mode = 0600, int type = SOCK_SEQPACKET);
// nullopt: nobody listens there (no file, or its owner is dead).
std::optional<UniqueFd> connect_at(int directory, std::string_view name);
// nullopt: nobody waits any more.
std::optional<UniqueFd> accept(int listener);

struct Message {
  std::string data;
  std::vector<UniqueFd> descriptors;
};

inline constexpr std::size_t kMaxMessage = 64 * 1024;

// One record. Throws when the peer is gone (no SIGPIPE).
void send_message(int socket, std::string_view data, std::span<const int> descriptors = {});
// Does not block; false: the peer does not read fast enough, or is gone.
bool try_send_message(int socket, std::string_view data) noexcept;
// Waits for one record, at most kMaxMessage bytes and 8 descriptors, which come close-on-exec; nullopt: the peer
// closed.
std::optional<Message> receive_message(int socket);
// The same without waiting; an empty Message (no data, no descriptors) means that nothing is there yet.
std::optional<Message> try_receive_message(int socket);

struct PeerCredentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};
PeerCredentials peer_credentials(int socket);

}  // namespace proa::os
