// The calls that change the store. All of them pass here, so that a test can fail or kill the process at the Nth one,
// for every N.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "libcommon/os/file.h"
#include "libcommon/os/unique_fd.h"

namespace proa::os {

// Counts calls and strikes at one of them. PROA_FAILPOINT, read at the first call, arms it: "17:ENOSPC" fails call 17
// with ENOSPC, "17+:EIO" all calls from 17 on, "17:kill" ends the process by SIGKILL before call 17. Unset, a call
// costs one load more.
class Failpoint {
 public:
  static void arm(std::uint64_t nth, int error_number, bool persistent = false);
  static void arm_kill(std::uint64_t nth);
  static void disarm();
  static std::uint64_t calls();  // since arm() or start_counting()
  static void start_counting();

  // 0: go on. Else the errno that the call has to fail with.
  static int strike() noexcept {
    const int state = state_.load(std::memory_order_relaxed);
    return state == kIdle ? 0 : strike_slow();
  }

 private:
  static constexpr int kUnread = 0, kIdle = 1, kArmed = 2;
  static int strike_slow() noexcept;
  static std::atomic<int> state_;
};

// A file of the store while it is written.
class StoreFile {
 public:
  // A new file; an existing one is an error.
  static StoreFile create(const Path& path, int at, mode_t mode = 0600);
  // An existing file, to be continued at its end.
  static StoreFile append(const Path& path, int at);
  // An existing file, to be written over from its beginning; nullopt: there is none.
  static std::optional<StoreFile> overwrite(const Path& path, int at);

  void write(std::span<const std::byte> data);
  void write(std::string_view text);
  void truncate(std::uint64_t size);
  void sync();  // fsync
  int fd() const noexcept { return fd_.get(); }
  UniqueFd release() && { return std::move(fd_); }

 private:
  StoreFile(UniqueFd fd, Path name) : fd_(std::move(fd)), name_(std::move(name)) {}
  UniqueFd fd_;
  Path name_;
};

// Names below `at`; each throws Error naming call and path.
namespace store_call {
void make_dir(const Path& path, int at, mode_t mode = 0700);
bool make_dir_if_absent(const Path& path, int at, mode_t mode = 0700);  // true: made
void rename(const Path& from, int from_at, const Path& to, int to_at);
bool rename_new(const Path& from, int from_at, const Path& to,
                int to_at);  // RENAME_NOREPLACE; false: the name is taken
bool rename_if_exists(const Path& from, int from_at, const Path& to, int to_at);  // false: `from` is gone
void exchange(const Path& from, int from_at, const Path& to, int to_at);          // RENAME_EXCHANGE
bool unlink(const Path& path, int at);                                            // false: was gone
bool remove_dir(const Path& path, int at);                                        // false: was gone
// rm -rf of what nobody can see any more; false: something is left (told to the debug log), a later sweep tries again.
bool try_remove_tree(const Path& path, int at) noexcept;
void symlink(const Path& target, const Path& path, int at);
void set_mode(int fd, mode_t mode, const Path& name);
void sync_dir(const Path& path, int at);  // fsync of a directory: makes its names durable
void sync_file_system(int fd);            // syncfs: makes all data written so far durable
}  // namespace store_call

}  // namespace proa::os
