// Those who are connected to a monitor: attached terminals, and commands that wait for an answer.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <string>

#include "libcommon/os/event_loop.h"
#include "libcommon/os/unique_fd.h"

namespace proa::monitor {

class Clients {
 public:
  struct Client {
    os::UniqueFd socket;
    bool output = false;   // gets what the container writes
    bool input = false;    // may write to its stdin
    bool waiting = false;  // gets the exit code
    bool paused = false;   // we do not read from it: the container takes no input at present
    std::deque<std::string> queue;
    std::size_t queued = 0;
  };
  using Handler = std::function<void(Client&, std::string_view message)>;

  Clients(os::EventLoop& loop, Handler handler) : loop_(loop), handler_(std::move(handler)) {}

  Client& add(os::UniqueFd socket);
  void send(Client& client, std::string message);
  void send_output(char type, std::string_view data);  // to those with `output`
  void send_exit(int exit_code);                       // to those who wait, and those with output
  void pause_input(bool paused);

  // Somebody with output reads slowly: more output would have to be kept in memory.
  bool congested() const;
  bool drained() const;
  void on_relief(std::function<void()> action) { relief_ = std::move(action); }

 private:
  void readable(int fd);
  void flush(Client& client);
  void drop(int fd);
  void watch(const Client& client);
  Client* by_fd(int fd);

  os::EventLoop& loop_;
  Handler handler_;
  std::function<void()> relief_;
  std::list<Client> clients_;
};

}  // namespace proa::monitor
