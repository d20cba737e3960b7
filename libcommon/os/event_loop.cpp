#include "libcommon/os/event_loop.h"

#include <errno.h>

#include <algorithm>
#include <array>
#include <limits>

#include "libcommon/base/error.h"

namespace proa::os {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

EventLoop::EventLoop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_.valid()) throw system_error("epoll_create1");
}

void EventLoop::add(int fd, std::uint32_t events, Handler handler) {
  const std::uint64_t id = next_id_++;
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) throw system_error("epoll_ctl ADD");
  entries_.emplace(id, std::make_shared<Entry>(Entry{fd, std::move(handler)}));
}

void EventLoop::modify(int fd, std::uint32_t events) {
  for (const auto& [id, entry] : entries_) {
    if (entry->fd != fd) continue;
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) < 0) throw system_error("epoll_ctl MOD");
    return;
  }
  PROA_CHECK(false && "descriptor is not watched");
}

void EventLoop::remove(int fd) {
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (it->second->fd != fd) continue;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    entries_.erase(it);
    return;
  }
}

EventLoop::TimerId EventLoop::after(milliseconds delay, std::function<void()> action) {
  const TimerId id = next_id_++;
  timers_.push_back({id, Clock::now() + delay, std::move(action)});
  return id;
}

void EventLoop::cancel(TimerId timer) {
  std::erase_if(timers_, [&](const Timer& t) { return t.id == timer; });
}

void EventLoop::run() {
  stopped_ = false;
  while (!stopped_) run_once(milliseconds::max());
}

int EventLoop::wait_time(milliseconds limit) const {
  auto wait = limit;
  for (const auto& timer : timers_) {
    auto left = std::chrono::ceil<milliseconds>(timer.due - Clock::now());
    wait = std::min(wait, std::max(left, milliseconds(0)));
  }
  if (wait == milliseconds::max()) return -1;
  return static_cast<int>(std::min<std::int64_t>(wait.count(), std::numeric_limits<int>::max()));
}

bool EventLoop::run_timers() {
  bool any = false;
  const auto now = Clock::now();
  for (;;) {
    // The earliest first, also when several are due at once.
    auto due =
        std::min_element(timers_.begin(), timers_.end(), [](const auto& a, const auto& b) { return a.due < b.due; });
    if (due == timers_.end() || due->due > now) return any;
    auto action = std::move(due->action);
    timers_.erase(due);
    action();
    any = true;
  }
}

bool EventLoop::run_once(milliseconds timeout) {
  std::array<epoll_event, 16> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait_time(timeout));
  if (count < 0 && errno != EINTR) throw system_error("epoll_wait");
  for (int i = 0; i < count; ++i) {
    const auto found = entries_.find(events[static_cast<std::size_t>(i)].data.u64);
    if (found == entries_.end()) continue;  // removed by a handler of this round
    const auto entry = found->second;       // keeps the handler alive while it removes itself
    entry->handler(events[static_cast<std::size_t>(i)].events);
  }
  return run_timers() || count > 0;
}

namespace {
sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) sigaddset(&set, signal);
  return set;
}
}  // namespace

SignalFd::SignalFd(std::initializer_list<int> signals) : SignalFd(set_of(signals)) {}

SignalFd::SignalFd(const sigset_t& signals) {
  fd_ = UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_.valid()) throw system_error("signalfd");
  if (::sigprocmask(SIG_BLOCK, &signals, &previous_) < 0) throw system_error("sigprocmask");
}

SignalFd::~SignalFd() { ::sigprocmask(SIG_SETMASK, &previous_, nullptr); }

std::vector<signalfd_siginfo> SignalFd::read() {
  std::vector<signalfd_siginfo> all;
  signalfd_siginfo info{};
  while (::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) all.push_back(info);
  return all;
}

}  // namespace proa::os
