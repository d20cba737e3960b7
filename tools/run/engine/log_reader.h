// Reads a container's log back.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "libcommon/base/time.h"

namespace proa::engine {

struct LogEntry {
  std::string_view time, stream, text;
  bool whole = true;  // the line ends here
};

// One line of the file without its end; nullopt: cut or foreign.
std::optional<LogEntry> parse_log_line(std::string_view line);

// "10m", "2026-11-23T08:00:00Z", "2026-11-23", seconds since 1970. InvalidArgument when it is none of these.
Time parse_log_time(std::string_view text, Time now);

// Where the last `lines` whole lines of the log begin. The file is read from its end.
std::uint64_t find_tail(int fd, std::uint64_t size, std::uint64_t lines);
// Whole lines in the first `size` bytes.
std::uint64_t count_lines(int fd, std::uint64_t size);

}  // namespace proa::engine
