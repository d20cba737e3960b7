// One thread of a build works at a time; what takes long outside of this process (a command of RUN) others use.
// Why so: a process may be cloned only while no other thread is inside of an allocation, and what runs beside is the
// commands, not our bookkeeping.
#pragma once

#include <condition_variable>
#include <mutex>
#include <set>

namespace proa::build {

class Baton {
 public:
  std::unique_lock<std::mutex> take() { return std::unique_lock(mutex_); }

  // Gives the baton to others for as long as it lives. The caller holds it, and holds it again afterwards.
  class Pause {
   public:
    explicit Pause(Baton& baton) : baton_(baton) { baton_.mutex_.unlock(); }
    ~Pause() { baton_.mutex_.lock(); }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Baton& baton_;
  };

  // A command that is killed when the build is cancelled. By pidfd; the baton is held.
  class Watch {
   public:
    Watch(Baton& baton, int pidfd);
    ~Watch() { baton_.watched_.erase(pidfd_); }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    Baton& baton_;
    int pidfd_;
  };
  // Ends all commands; those that come later end at once. The baton is held.
  void cancel();
  bool cancelled() const { return cancelled_; }

 private:
  std::mutex mutex_;
  std::set<int> watched_;
  bool cancelled_ = false;
};

}  // namespace proa::build
