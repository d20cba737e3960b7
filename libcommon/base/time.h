// Times as the OCI specifications write them (RFC 3339), and durations as Go prints and parses them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace proa {

using Time = std::chrono::sys_time<std::chrono::nanoseconds>;
using Duration = std::chrono::nanoseconds;

Time now();
// "2026-11-23T08:00:00.123456789Z"; the fraction as short as it can be, left out when zero.
std::string format_rfc3339(Time time);
// Any offset is accepted; more than nine digits of fraction are cut. nullopt: not RFC 3339, or a
// year that nanoseconds since 1970 in 64 bits cannot say (before 1678, after 2261: Go writes year 1 for "no time").
std::optional<Time> parse_rfc3339(std::string_view text);

// Go's time.ParseDuration: "1h2m3.5s", "300ms", "-1.5h". nullopt when malformed or out of range.
std::optional<Duration> parse_go_duration(std::string_view text);
// Go's Duration.String: "1h2m3.5s", "0s".
std::string format_go_duration(Duration duration);
// go-units HumanDuration: "Less than a second", "About an hour", "3 weeks".
std::string human_duration(Duration duration);

}  // namespace proa
