#include "libcommon/os/store_file.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"

namespace proa::os {
namespace {

constexpr int kKill = -1;

struct Plan {
  std::uint64_t nth = 0;  // 0: only count
  int error = 0;
  bool persistent = false;
};

std::mutex plan_mutex;
Plan plan;
std::uint64_t call_count = 0;

std::optional<int> error_by_name(std::string_view name) {
  struct Known {
    std::string_view name;
    int number;
  };
  static constexpr Known kKnown[] = {{"kill", kKill},    {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EIO", EIO},
                                     {"EMFILE", EMFILE}, {"ENOMEM", ENOMEM}, {"EROFS", EROFS},   {"EACCES", EACCES}};
  for (const Known& known : kKnown) {
    if (known.name == name) return known.number;
  }
  return std::nullopt;
}

// "17:ENOSPC", "17+:EIO", "17:kill". Anything else is nullopt: a misspelt failpoint must not go unnoticed, so the
// caller aborts.
std::optional<Plan> parse_plan(std::string_view text) {
  auto parts = cut(text, ":");
  if (!parts) return std::nullopt;
  std::string_view number = parts->first;
  Plan result;
  if (number.ends_with('+')) {
    result.persistent = true;
    number.remove_suffix(1);
  }
  auto nth = parse_integer<std::uint64_t>(number);
  auto error = error_by_name(parts->second);
  if (!nth || !error || *nth == 0) return std::nullopt;
  result.nth = *nth;
  result.error = *error;
  return result;
}

void fail_if_struck(std::string_view call, const Path& path) {
  if (int error = Failpoint::strike(); error != 0) throw system_error(std::string(call) + " " + path, error);
}

[[noreturn]] void fail(std::string_view call, const Path& path) {
  int error = errno;
  throw system_error(std::string(call) + " " + path, error);
}

// Calls that answer "absent" or "taken" by false.
bool done_unless(int result, int harmless, std::string_view call, const Path& path) {
  if (result == 0) return true;
  if (errno == harmless) return false;
  fail(call, path);
}

}  // namespace

std::atomic<int> Failpoint::state_{kUnread};

void Failpoint::arm(std::uint64_t nth, int error_number, bool persistent) {
  std::lock_guard guard(plan_mutex);
  plan = Plan{nth, error_number, persistent};
  call_count = 0;
  state_ = kArmed;
}

void Failpoint::arm_kill(std::uint64_t nth) { arm(nth, kKill); }

void Failpoint::start_counting() { arm(0, 0); }

void Failpoint::disarm() { state_ = kIdle; }

std::uint64_t Failpoint::calls() {
  std::lock_guard guard(plan_mutex);
  return call_count;
}

int Failpoint::strike_slow() noexcept {
  std::lock_guard guard(plan_mutex);
  if (state_ == kUnread) {
    const char* text = ::getenv("PROA_FAILPOINT");
    if (text == nullptr) {
      state_ = kIdle;
      return 0;
    }
    auto parsed = parse_plan(text);
    PROA_CHECK(parsed.has_value() && "PROA_FAILPOINT is <call>[+]:<ENOSPC|EIO|...|kill>");
    plan = *parsed;
    state_ = kArmed;
  }
  ++call_count;
  if (plan.nth == 0 || call_count < plan.nth || (call_count > plan.nth && !plan.persistent)) return 0;
  if (plan.error == kKill) ::kill(::getpid(), SIGKILL);
  return plan.error;
}

StoreFile StoreFile::create(const Path& path, int at, mode_t mode) {
  fail_if_struck("create", path);
  return StoreFile(open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode, at), path);
}

StoreFile StoreFile::append(const Path& path, int at) {
  fail_if_struck("open", path);
  return StoreFile(open(path, O_WRONLY | O_APPEND | O_NOFOLLOW, 0, at), path);
}

std::optional<StoreFile> StoreFile::overwrite(const Path& path, int at) {
  fail_if_struck("open", path);
  auto fd = try_open(path, O_WRONLY | O_NOFOLLOW, 0, at);
  if (!fd) return std::nullopt;
  return StoreFile(std::move(*fd), path);
}

void StoreFile::write(std::span<const std::byte> data) {
  fail_if_struck("write", name_);
  write_all(fd_.get(), data, name_);
}

void StoreFile::write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

void StoreFile::truncate(std::uint64_t size) {
  fail_if_struck("truncate", name_);
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) fail("truncate", name_);
}

void StoreFile::sync() {
  fail_if_struck("fsync", name_);
  if (::fsync(fd_.get()) != 0) fail("fsync", name_);
}

namespace store_call {

void make_dir(const Path& path, int at, mode_t mode) {
  fail_if_struck("mkdir", path);
  if (::mkdirat(at, path.c_str(), mode) != 0) fail("mkdir", path);
}

bool make_dir_if_absent(const Path& path, int at, mode_t mode) {
  fail_if_struck("mkdir", path);
  return done_unless(::mkdirat(at, path.c_str(), mode), EEXIST, "mkdir", path);
}

void rename(const Path& from, int from_at, const Path& to, int to_at) {
  fail_if_struck("rename", to);
  if (::renameat(from_at, from.c_str(), to_at, to.c_str()) != 0) fail("rename", to);
}

bool rename_new(const Path& from, int from_at, const Path& to, int to_at) {
  fail_if_struck("rename", to);
  return done_unless(::renameat2(from_at, from.c_str(), to_at, to.c_str(), RENAME_NOREPLACE), EEXIST, "rename", to);
}

bool rename_if_exists(const Path& from, int from_at, const Path& to, int to_at) {
  fail_if_struck("rename", from);
  return done_unless(::renameat(from_at, from.c_str(), to_at, to.c_str()), ENOENT, "rename", from);
}

void exchange(const Path& from, int from_at, const Path& to, int to_at) {
  fail_if_struck("rename", to);
  if (::renameat2(from_at, from.c_str(), to_at, to.c_str(), RENAME_EXCHANGE) != 0) fail("rename", to);
}

bool unlink(const Path& path, int at) {
  fail_if_struck("unlink", path);
  return done_unless(::unlinkat(at, path.c_str(), 0), ENOENT, "unlink", path);
}

bool remove_dir(const Path& path, int at) {
  fail_if_struck("rmdir", path);
  return done_unless(::unlinkat(at, path.c_str(), AT_REMOVEDIR), ENOENT, "rmdir", path);
}

bool try_remove_tree(const Path& path, int at) noexcept {
  try {
    fail_if_struck("remove", path);
    remove_tree(path, at);
    return true;
  } catch (const Error& error) {
    log::debug(error.text());
    return false;
  }
}

void symlink(const Path& target, const Path& path, int at) {
  fail_if_struck("symlink", path);
  if (::symlinkat(target.c_str(), at, path.c_str()) != 0) fail("symlink", path);
}

void set_mode(int fd, mode_t mode, const Path& name) {
  fail_if_struck("chmod", name);
  if (::fchmod(fd, mode) != 0) fail("chmod", name);
}

void sync_dir(const Path& path, int at) {
  fail_if_struck("fsync", path);
  UniqueFd dir = open(path, O_RDONLY | O_DIRECTORY, 0, at);
  if (::fsync(dir.get()) != 0) fail("fsync", path);
}

void sync_file_system(int fd) {
  fail_if_struck("syncfs", "the store");
  if (::syncfs(fd) != 0) throw system_error("syncfs of the store");
}

}  // namespace store_call
}  // namespace proa::os
