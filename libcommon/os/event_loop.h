// One thread, one epoll: descriptors, timers, signals. For the monitor and for clients attached to it.
#pragma once

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <vector>

#include "libcommon/os/unique_fd.h"

namespace proa::os {

class EventLoop {
 public:
  using Handler = std::function<void(std::uint32_t events)>;
  using TimerId = std::uint64_t;

  EventLoop();

  // Watches a descriptor that the caller keeps open until remove(). `events` are EPOLLIN, EPOLLOUT, ... ; level
  // triggered. A handler may add and remove descriptors, its own included. Regular files are refused by epoll (EPERM).
  void add(int fd, std::uint32_t events, Handler handler);
  void modify(int fd, std::uint32_t events);
  void remove(int fd);  // not watched: fine

  // Runs `action` once, on the monotonic clock.
  TimerId after(std::chrono::milliseconds delay, std::function<void()> action);
  void cancel(TimerId timer);  // gone already: fine

  void run();  // until stop()
  void stop() noexcept { stopped_ = true; }
  // Handles what is ready, or becomes ready within `timeout`. false: nothing came.
  bool run_once(std::chrono::milliseconds timeout);

 private:
  struct Entry {
    int fd;
    Handler handler;
  };
  struct Timer {
    TimerId id;
    std::chrono::steady_clock::time_point due;
    std::function<void()> action;
  };

  int wait_time(std::chrono::milliseconds limit) const;
  bool run_timers();

  UniqueFd epoll_;
  // By a number that is never used twice: an event of a descriptor closed in the same round meets no successor.
  std::map<std::uint64_t, std::shared_ptr<Entry>> entries_;
  std::vector<Timer> timers_;
  std::uint64_t next_id_ = 1;
  bool stopped_ = false;
};

// Signals as data. Blocks them in this thread while it lives; a child that execs has to reset its mask.
class SignalFd {
 public:
  explicit SignalFd(std::initializer_list<int> signals);
  explicit SignalFd(const sigset_t& signals);
  SignalFd(const SignalFd&) = delete;
  SignalFd& operator=(const SignalFd&) = delete;
  ~SignalFd();

  int fd() const noexcept { return fd_.get(); }
  // All that are pending; does not block.
  std::vector<signalfd_siginfo> read();

 private:
  sigset_t previous_;
  UniqueFd fd_;
};

}  // namespace proa::os
