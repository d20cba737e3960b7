#include "tools/build/graph/schedule.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "libcommon/base/error.h"

namespace proa::build {

void Schedule::add(std::size_t stage, std::unique_ptr<Runnable> runnable) {
  entries_[stage].runnable = std::move(runnable);
}

bool Schedule::finished(std::size_t stage) const {
  auto entry = entries_.find(stage);
  return entry != entries_.end() && entry->second.started && entry->second.next == Runnable::Next::Finished;
}

bool Schedule::all_finished() const {
  return std::all_of(entries_.begin(), entries_.end(), [&](const auto& entry) { return finished(entry.first); });
}

bool Schedule::is_ready(const Entry& entry) const {
  if (entry.taken) return false;
  if (!entry.started) return true;
  if (entry.next == Runnable::Next::Wait) return finished(entry.runnable->waits_for());
  return entry.next == Runnable::Next::Work;
}

bool Schedule::look() {
  auto held = baton_.take();
  for (bool moved = true; moved;) {
    moved = false;
    for (auto& [stage, entry] : entries_) {
      if (!is_ready(entry) || (entry.started && entry.next == Runnable::Next::Work)) continue;
      entry.started = true;
      entry.next = entry.runnable->advance();
      moved = true;
    }
  }
  return all_finished();
}

Schedule::Entry* Schedule::take_ready() {
  for (auto& [stage, entry] : entries_) {
    if (is_ready(entry)) return &entry;
  }
  return nullptr;
}

void Schedule::step(Entry& entry) {
  entry.taken = true;
  ++busy_;
  try {
    if (entry.started && entry.next == Runnable::Next::Work) entry.runnable->work();
    entry.started = true;
    entry.next = entry.runnable->advance();
  } catch (...) {
    // Those that come later were killed by the first.
    if (!failure_) failure_ = std::current_exception();
    baton_.cancel();
  }
  entry.taken = false;
  --busy_;
  changed_.notify_all();
}

// Nobody works before all threads are here, and nobody leaves before all have done: a thread that starts or ends
// allocates without the baton, and a process cloned by then would never get over that.
void Schedule::serve(std::size_t threads) {
  auto held = baton_.take();
  ++arrived_;
  changed_.notify_all();
  changed_.wait(held, [&] { return arrived_ == threads; });
  while (!failure_ && !all_finished()) {
    if (Entry* entry = take_ready()) {
      step(*entry);
    } else {
      PROA_CHECK(busy_ > 0);  // the plan has no circles
      changed_.wait(held);
    }
  }
  changed_.wait(held, [&] { return busy_ == 0; });
}

void Schedule::run() {
  std::vector<std::jthread> threads;
  auto count = std::clamp<std::size_t>(entries_.size(), 1, jobs_);
  for (std::size_t i = 1; i < count; ++i) threads.emplace_back([this, count] { serve(count); });
  serve(count);
  threads.clear();
  if (failure_) std::rethrow_exception(failure_);
}

}  // namespace proa::build
