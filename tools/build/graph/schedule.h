// Stages side by side: each goes on as soon as what its next instruction needs is there.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <memory>

#include "tools/build/graph/baton.h"
#include "tools/build/graph/plan.h"

namespace proa::build {

// What a schedule asks of a stage; StageRun is one.
class Runnable {
 public:
  enum class Next { Finished, Work, Wait };
  virtual ~Runnable() = default;
  // Goes on as far as nothing has to be made.
  virtual Next advance() = 0;
  // Makes what advance() stopped at.
  virtual void work() = 0;
  // The stage that advance() stopped for.
  virtual std::size_t waits_for() const = 0;
};

class Schedule {
 public:
  Schedule(Baton& baton, unsigned jobs) : baton_(baton), jobs_(jobs) {}
  void add(std::size_t stage, std::unique_ptr<Runnable> runnable);

  // As far as nothing has to be made, on this thread alone. True: all stages are finished.
  bool look();
  // The rest, by at most `jobs` threads. Throws what failed first, when all others have stopped. The baton is not held.
  void run();

 private:
  struct Entry {
    std::unique_ptr<Runnable> runnable;
    Runnable::Next next = Runnable::Next::Wait;
    bool started = false, taken = false;
  };
  bool finished(std::size_t stage) const;
  bool all_finished() const;
  bool is_ready(const Entry& entry) const;
  Entry* take_ready();
  void step(Entry& entry);
  void serve(std::size_t threads);

  Baton& baton_;
  unsigned jobs_;
  std::map<std::size_t, Entry> entries_;
  std::condition_variable changed_;
  std::size_t busy_ = 0, arrived_ = 0;
  std::exception_ptr failure_;
};

}  // namespace proa::build
