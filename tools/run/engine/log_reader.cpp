#include "tools/run/engine/log_reader.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::engine {

std::optional<LogEntry> parse_log_line(std::string_view line) {
  LogEntry entry;
  auto parts = cut(line, " ");
  if (!parts) return std::nullopt;
  entry.time = parts->first;
  parts = cut(parts->second, " ");
  if (!parts) return std::nullopt;
  entry.stream = parts->first;
  parts = cut(parts->second, " ");
  if (!parts || (parts->first != "F" && parts->first != "P")) return std::nullopt;
  entry.whole = parts->first == "F";
  entry.text = parts->second;
  return entry;
}

Time parse_log_time(std::string_view text, Time now) {
  if (const auto time = parse_rfc3339(text)) return *time;
  if (const auto time = parse_rfc3339(std::string(text) + "Z")) return *time;
  if (const auto time = parse_rfc3339(std::string(text) + "T00:00:00Z")) return *time;
  if (const auto seconds = parse_integer<std::int64_t>(text)) return Time(std::chrono::seconds(*seconds));
  if (const auto duration = parse_go_duration(text)) return now - *duration;
  throw Error(ErrorCode::InvalidArgument, fmt::format("'{}' is no time", text),
              "write 10m, 2026-11-23T08:00:00Z or seconds since 1970");
}

std::uint64_t find_tail(int fd, std::uint64_t size, std::uint64_t lines) {
  // The end of a line before the wanted ones is the one that ends an entry with F; entries with P belong to the next.
  constexpr std::uint64_t kBlock = 64 * 1024;
  std::string text;  // from `at` to the end
  std::uint64_t at = size;
  while (true) {
    std::uint64_t ends = 0;
    std::size_t stop = text.size();
    while (stop > 0) {
      const std::size_t before = stop >= 2 ? text.rfind('\n', stop - 2) : std::string::npos;
      if (before == std::string::npos && at != 0) break;  // the line begins further up
      const std::size_t begin = before == std::string::npos ? 0 : before + 1;
      const auto entry = parse_log_line(std::string_view(text).substr(begin, stop - 1 - begin));
      if ((!entry || entry->whole || stop == text.size()) && ends++ == lines) return at + stop;
      stop = begin;
    }
    if (at == 0) return 0;
    const std::uint64_t from = at > kBlock ? at - kBlock : 0;
    std::string block(at - from, '\0');
    const ssize_t got = ::pread(fd, block.data(), block.size(), static_cast<off_t>(from));
    if (got != static_cast<ssize_t>(block.size())) throw system_error("read log");
    text.insert(0, block);
    at = from;
  }
}

std::uint64_t count_lines(int fd, std::uint64_t size) {
  std::string rest(64 * 1024, '\0');
  std::string line;
  std::uint64_t count = 0;
  for (std::uint64_t at = 0; at < size;) {
    const ssize_t got =
        ::pread(fd, rest.data(), std::min<std::uint64_t>(rest.size(), size - at), static_cast<off_t>(at));
    if (got <= 0) throw system_error("read log");
    at += static_cast<std::uint64_t>(got);
    for (const char c : std::string_view(rest).substr(0, static_cast<std::size_t>(got))) {
      if (c != '\n') {
        line += c;
        continue;
      }
      const auto entry = parse_log_line(line);
      count += entry && entry->whole;
      line.clear();
    }
  }
  return count;
}

}  // namespace proa::engine
