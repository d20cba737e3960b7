// Signals by name, as `kill`, `--stop-signal` and STOPSIGNAL take them. Linux numbers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace proa {

inline constexpr int kMaxSignal = 64;

// "TERM", "SIGTERM", "sigterm", "15", "RTMIN+3", "SIGRTMAX-1". nullopt: no such signal (0 included).
std::optional<int> parse_signal(std::string_view text);
// "SIGTERM", "SIGRTMIN+3"; a number outside of 1 to 64 as it is.
std::string signal_name(int signal);

}  // namespace proa
