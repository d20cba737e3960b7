// Files by path or descriptor. Every path function takes the directory it is relative to as `at` (AT_FDCWD by default).
// Everything is opened close-on-exec. All throw Error naming call and path.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "libcommon/os/unique_fd.h"

namespace proa::os {

using Path = std::string;

UniqueFd open(const Path& path, int flags, mode_t mode = 0, int at = AT_FDCWD);
// nullopt when there is no such file (ENOENT, ENOTDIR); other errors throw.
std::optional<UniqueFd> try_open(const Path& path, int flags, mode_t mode = 0, int at = AT_FDCWD);
// Opens a file that may be hostile: never blocks, never follows a link in the last component, regular files only, at
// most `max_size` bytes.
UniqueFd open_regular(const Path& path, std::uint64_t max_size, int at = AT_FDCWD);

// Reads at most buffer.size() bytes, fewer only at the end of the file. `name` is for the error text.
std::size_t read_full(int fd, std::span<std::byte> buffer, const Path& name);
// One read(2), EINTR handled; 0 at the end.
std::size_t read_some(int fd, std::span<std::byte> buffer, const Path& name);
void write_all(int fd, std::span<const std::byte> data, const Path& name);
void write_all(int fd, std::string_view data, const Path& name);

// Whole contents; throws LimitExceeded beyond `max_size`. Works for /proc files (size 0) too.
std::string read_file(const Path& path, std::uint64_t max_size, int at = AT_FDCWD);
std::optional<std::string> try_read_file(const Path& path, std::uint64_t max_size, int at = AT_FDCWD);
std::string read_fd(int fd, std::uint64_t max_size, const Path& name);

struct stat stat(const Path& path, int at = AT_FDCWD, int flags = AT_SYMLINK_NOFOLLOW);
std::optional<struct stat> try_stat(const Path& path, int at = AT_FDCWD, int flags = AT_SYMLINK_NOFOLLOW);
bool exists(const Path& path, int at = AT_FDCWD);
std::string read_link(const Path& path, int at = AT_FDCWD);

// mkdir -p; existing directories are fine. Modes of existing ones are left alone.
void make_dirs(const Path& path, mode_t mode = 0700);
// rm -rf of one name below `at`, by descriptors (never follows a link); absent is fine. Gives up nothing silently:
// throws at the first entry that stays.
void remove_tree(const Path& path, int at = AT_FDCWD);

// Path of an open descriptor for calls without an *at form: /proc/self/fd/N.
Path fd_path(int fd);

// "a/b" + "c" -> "a/b/c". For paths we own; paths inside a container root go through os::Dir.
Path join(std::string_view directory, std::string_view name);

}  // namespace proa::os
