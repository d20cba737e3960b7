#include "libcommon/os/file.h"

#include <dirent.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <vector>

#include "libcommon/base/error.h"
#include "libcommon/os/dir.h"

namespace proa::os {
namespace {

bool is_absent(int error) { return error == ENOENT || error == ENOTDIR; }

int open_retrying(const Path& path, int flags, mode_t mode, int at) {
  int fd;
  do {
    fd = ::openat(at, path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

}  // namespace

UniqueFd open(const Path& path, int flags, mode_t mode, int at) {
  UniqueFd fd(open_retrying(path, flags, mode, at));
  if (!fd.valid()) throw system_error("open " + path);
  return fd;
}

std::optional<UniqueFd> try_open(const Path& path, int flags, mode_t mode, int at) {
  UniqueFd fd(open_retrying(path, flags, mode, at));
  if (fd.valid()) return fd;
  int error = errno;
  if (is_absent(error)) return std::nullopt;
  throw system_error("open " + path, error);
}

UniqueFd open_regular(const Path& path, std::uint64_t max_size, int at) {
  UniqueFd fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY, 0, at);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) throw system_error("stat " + path);
  if (!S_ISREG(info.st_mode)) throw Error(ErrorCode::InvalidArgument, path + ": not a regular file");
  if (static_cast<std::uint64_t>(info.st_size) > max_size) {
    throw Error(ErrorCode::LimitExceeded, path + ": larger than " + std::to_string(max_size) + " bytes");
  }
  return fd;
}

std::size_t read_some(int fd, std::span<std::byte> buffer, const Path& name) {
  ssize_t got;
  do {
    got = ::read(fd, buffer.data(), buffer.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) throw system_error("read " + name);
  return static_cast<std::size_t>(got);
}

std::size_t read_full(int fd, std::span<std::byte> buffer, const Path& name) {
  std::size_t total = 0;
  while (total < buffer.size()) {
    std::size_t got = read_some(fd, buffer.subspan(total), name);
    if (got == 0) break;
    total += got;
  }
  return total;
}

void write_all(int fd, std::span<const std::byte> data, const Path& name) {
  while (!data.empty()) {
    ssize_t written = ::write(fd, data.data(), data.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      throw system_error("write " + name);
    }
    data = data.subspan(static_cast<std::size_t>(written));
  }
}

void write_all(int fd, std::string_view data, const Path& name) {
  write_all(fd, std::as_bytes(std::span(data.data(), data.size())), name);
}

std::string read_fd(int fd, std::uint64_t max_size, const Path& name) {
  std::string text;
  std::size_t filled = 0;
  struct stat info {};
  // A first guess for regular files, one byte more so that the end is seen without growing.
  std::size_t room = ::fstat(fd, &info) == 0 && info.st_size > 0 ? static_cast<std::size_t>(info.st_size) + 1 : 4096;
  while (true) {
    room = static_cast<std::size_t>(std::min<std::uint64_t>(room, max_size + 1 - filled));
    text.resize(filled + room);
    std::size_t got = read_some(fd, std::as_writable_bytes(std::span(text.data() + filled, room)), name);
    filled += got;
    if (got == 0) break;
    if (filled > max_size) {
      throw Error(ErrorCode::LimitExceeded, name + ": larger than " + std::to_string(max_size) + " bytes");
    }
    room = std::max<std::size_t>(4096, filled / 2);
  }
  text.resize(filled);
  return text;
}

std::string read_file(const Path& path, std::uint64_t max_size, int at) {
  return read_fd(open(path, O_RDONLY | O_NOCTTY, 0, at).get(), max_size, path);
}

std::optional<std::string> try_read_file(const Path& path, std::uint64_t max_size, int at) {
  auto fd = try_open(path, O_RDONLY | O_NOCTTY, 0, at);
  if (!fd) return std::nullopt;
  return read_fd(fd->get(), max_size, path);
}

std::optional<struct stat> try_stat(const Path& path, int at, int flags) {
  struct stat info {};
  if (::fstatat(at, path.c_str(), &info, flags) == 0) return info;
  int error = errno;
  if (is_absent(error)) return std::nullopt;
  throw system_error("stat " + path, error);
}

struct stat stat(const Path& path, int at, int flags) {
  auto info = try_stat(path, at, flags);
  if (!info) throw system_error("stat " + path, ENOENT);
  return *info;
}

bool exists(const Path& path, int at) { return try_stat(path, at).has_value(); }

std::string read_link(const Path& path, int at) {
  std::string target(PATH_MAX, '\0');
  ssize_t length = ::readlinkat(at, path.c_str(), target.data(), target.size());
  if (length < 0) throw system_error("readlink " + path);
  target.resize(static_cast<std::size_t>(length));
  return target;
}

void make_dirs(const Path& path, mode_t mode) {
  if (path.empty()) throw Error(ErrorCode::InvalidArgument, "mkdir: empty path");
  if (::mkdir(path.c_str(), mode) == 0) return;
  int error = errno;
  auto slash = path.find_last_of('/');
  if (error == ENOENT && slash != Path::npos && slash > 0) {
    make_dirs(path.substr(0, slash), mode);
    if (::mkdir(path.c_str(), mode) == 0) return;
    error = errno;
  }
  auto info = try_stat(path, AT_FDCWD, 0);
  if (info && S_ISDIR(info->st_mode)) return;
  throw system_error("mkdir " + path, error == EEXIST ? ENOTDIR : error);
}

namespace {

// One open directory of the walk; depth costs descriptors, so the walk reopens parents by ".." only through its own
// stack.
struct Level {
  UniqueFd fd;
  std::string name;
  std::vector<std::string> entries;
};

// Opens a subdirectory for removal. A directory without permissions of ours is made readable first.
UniqueFd open_for_removal(int parent, const std::string& name, const Path& shown) {
  int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  int fd = open_retrying(name, flags, 0, parent);
  if (fd < 0 && errno == EACCES && ::fchmodat(parent, name.c_str(), 0700, 0) == 0) {
    fd = open_retrying(name, flags, 0, parent);
  }
  if (fd < 0) throw system_error("remove " + shown);
  return UniqueFd(fd);
}

void make_writable(int dir) {
  struct stat info {};
  if (::fstat(dir, &info) == 0 && (info.st_mode & 0700) != 0700) ::fchmod(dir, info.st_mode | 0700);
}

void remove_below(int parent, const std::string& name, const Path& shown) {
  std::vector<Level> stack;
  auto push = [&](int at, const std::string& entry) {
    Level level{open_for_removal(at, entry, shown), entry, {}};
    make_writable(level.fd.get());
    level.entries = list_dir(level.fd.get(), shown);
    stack.push_back(std::move(level));
  };
  push(parent, name);
  while (!stack.empty()) {
    Level& level = stack.back();
    if (level.entries.empty()) {
      std::string done = level.name;
      stack.pop_back();
      int at = stack.empty() ? parent : stack.back().fd.get();
      if (::unlinkat(at, done.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) throw system_error("rmdir " + shown);
      continue;
    }
    std::string entry = std::move(level.entries.back());
    level.entries.pop_back();
    if (::unlinkat(level.fd.get(), entry.c_str(), 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR && errno != EPERM) throw system_error("unlink " + entry + " in " + shown);
    push(level.fd.get(), entry);
  }
}

}  // namespace

void remove_tree(const Path& path, int at) {
  if (::unlinkat(at, path.c_str(), 0) == 0) return;
  int error = errno;
  if (is_absent(error)) return;
  if (error != EISDIR && error != EPERM) throw system_error("unlink " + path, error);
  remove_below(at, path, path);
}

Path fd_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

Path join(std::string_view directory, std::string_view name) {
  Path path(directory);
  if (!path.empty() && path.back() != '/') path += '/';
  return path += name;
}

}  // namespace proa::os
