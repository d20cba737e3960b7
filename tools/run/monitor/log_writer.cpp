#include "tools/run/monitor/log_writer.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "libcommon/base/time.h"

namespace proa::monitor {

std::string format_log(std::string_view time, std::string_view stream, std::string_view data) {
  std::string text;
  text.reserve(data.size() + data.size() / 8 + 64);
  while (!data.empty()) {
    const auto end = data.find('\n');
    const bool whole = end != std::string_view::npos;
    text.append(time).append(1, ' ').append(stream).append(whole ? " F " : " P ");
    text.append(data.substr(0, end)).append(1, '\n');
    data.remove_prefix(whole ? end + 1 : data.size());
  }
  return text;
}

LogWriter::LogWriter(int folder, std::int64_t max_size, int max_files)
    : folder_(folder), max_size_(max_size), max_files_(max_files) {
  open();
}

void LogWriter::open() {
  fd_ = os::open("ctr.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600, folder_);
  size_ = os::stat(os::fd_path(fd_.get()), AT_FDCWD, 0).st_size;
}

// The name always leads to a file that is written or complete: a reader sees by its inode that it was replaced.
void LogWriter::rotate() noexcept {
  try {
    const auto name = [](int number) {
      return number == 0 ? std::string("ctr.log") : fmt::format("ctr.log.{}", number);
    };
    if (max_files_ <= 1) ::unlinkat(folder_, "ctr.log", 0);
    for (int i = max_files_ - 1; i > 0; --i) ::renameat(folder_, name(i - 1).c_str(), folder_, name(i).c_str());
    open();
  } catch (const std::exception&) {
    size_ = 0;  // the old file goes on
  }
}

namespace {

// Whether the last entry ends its line: "TIME STREAM F ...".
bool ends_whole(std::string_view entries) {
  const std::size_t before = entries.size() < 2 ? std::string_view::npos : entries.rfind('\n', entries.size() - 2);
  const std::string_view entry = entries.substr(before == std::string_view::npos ? 0 : before + 1);
  const std::size_t kind = entry.find(' ', entry.find(' ') + 1) + 1;
  return kind < entry.size() && entry[kind] == 'F';
}

}  // namespace

// How much goes into the present file: all of it, or up to the end of the whole line that fills it. What follows a
// piece of a line belongs to it, so no file begins within a line.
std::size_t LogWriter::part_for_file(std::string_view text) const {
  if (max_size_ <= 0 || size_ + static_cast<std::int64_t>(text.size()) <= max_size_) return text.size();
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\n', at) + 1;
    const bool whole = ends_whole(text.substr(at, end - at));
    at = end;
    if (size_ + static_cast<std::int64_t>(at) > max_size_ && whole) return at;
  }
  return at;
}

bool LogWriter::has_room() {
  if (!full_ && unchecked_ < kCheckEvery) return true;
  unchecked_ = 0;
  struct statvfs system {};
  if (::fstatvfs(fd_.get(), &system) < 0) return true;
  const std::uint64_t size = std::uint64_t{system.f_blocks} * system.f_frsize;
  const std::uint64_t wanted = std::min<std::uint64_t>(16 << 20, size / 20);
  const bool full = std::uint64_t{system.f_bavail} * system.f_frsize < wanted;
  if (full && !full_) {
    append(format_log(format_rfc3339(now()), "stderr", "proa: the disk is nearly full: output is not logged\n"));
  }
  full_ = full;
  return !full;
}

void LogWriter::write(std::string_view stream, std::string_view data) {
  if (!fd_.valid() || !has_room()) return;
  const std::string text = format_log(format_rfc3339(now()), stream, data);
  // One append for each file keeps lines of one read together; what a full disk refuses is lost, the container goes on.
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view part = rest.substr(0, part_for_file(rest));
    rest.remove_prefix(part.size());
    if (!append(part)) return;
    if (max_size_ > 0 && size_ > max_size_ && ends_whole(part)) rotate();
  }
}

bool LogWriter::append(std::string_view part) {
  while (!part.empty()) {
    const ssize_t written = ::write(fd_.get(), part.data(), part.size());
    if (written <= 0) return false;
    part.remove_prefix(static_cast<std::size_t>(written));
    size_ += written;
    unchecked_ += written;
  }
  return true;
}

}  // namespace proa::monitor
