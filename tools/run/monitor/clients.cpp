#include "tools/run/monitor/clients.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/os/socket.h"
#include "tools/run/monitor/protocol.h"

namespace proa::monitor {
namespace {
constexpr std::size_t kMaxQueued = 256 * 1024;
}

Clients::Client& Clients::add(os::UniqueFd socket) {
  Client& client = clients_.emplace_back();
  client.socket = std::move(socket);
  const int fd = client.socket.get();
  loop_.add(fd, EPOLLIN, [this, fd](std::uint32_t events) {
    if ((events & EPOLLOUT) != 0) {
      if (Client* ready = by_fd(fd)) flush(*ready);
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) readable(fd);
  });
  return client;
}

Clients::Client* Clients::by_fd(int fd) {
  const auto found =
      std::find_if(clients_.begin(), clients_.end(), [&](const Client& c) { return c.socket.get() == fd; });
  return found == clients_.end() ? nullptr : &*found;
}

void Clients::readable(int fd) {
  Client* client = by_fd(fd);
  if (client == nullptr) return;
  std::optional<os::Message> message;
  try {
    message = os::try_receive_message(fd);
  } catch (const Error&) {
    // A record that is too long, or a broken connection: either way this client is done for.
  }
  if (!message) return drop(fd);
  if (!message->data.empty()) handler_(*client, message->data);
}

void Clients::drop(int fd) {
  loop_.remove(fd);
  const bool was_congested = congested();
  clients_.remove_if([&](const Client& c) { return c.socket.get() == fd; });
  if (was_congested && !congested() && relief_) relief_();
}

void Clients::watch(const Client& client) {
  loop_.modify(client.socket.get(), (client.paused ? 0u : EPOLLIN) | (client.queue.empty() ? 0u : EPOLLOUT));
}

void Clients::send(Client& client, std::string message) {
  if (client.queue.empty() && os::try_send_message(client.socket.get(), message)) return;
  client.queued += message.size();
  client.queue.push_back(std::move(message));
  watch(client);
}

void Clients::flush(Client& client) {
  const bool was_congested = congested();
  while (!client.queue.empty()) {
    const std::string& next = client.queue.front();
    if (!os::try_send_message(client.socket.get(), next)) {
      if (errno != EAGAIN) return drop(client.socket.get());
      break;
    }
    client.queued -= next.size();
    client.queue.pop_front();
  }
  watch(client);
  // Also when a part went out: the next flush would not know any more that it was too much.
  if (was_congested && !congested() && relief_) relief_();
}

void Clients::send_output(char type, std::string_view data) {
  for (auto& client : clients_) {
    if (client.output) send(client, message(type, data));
  }
}

void Clients::send_exit(int exit_code) {
  for (auto& client : clients_) {
    if (client.output || client.waiting) send(client, message(kExit, std::to_string(exit_code)));
    client.output = client.waiting = false;
  }
}

void Clients::pause_input(bool paused) {
  for (auto& client : clients_) {
    if (!client.input || client.paused == paused) continue;
    client.paused = paused;
    watch(client);
  }
}

bool Clients::congested() const {
  return std::any_of(clients_.begin(), clients_.end(), [](const Client& c) { return c.queued > kMaxQueued; });
}

bool Clients::drained() const {
  return std::all_of(clients_.begin(), clients_.end(), [](const Client& c) { return c.queue.empty(); });
}

}  // namespace proa::monitor
