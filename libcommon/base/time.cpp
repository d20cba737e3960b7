#include "libcommon/base/time.h"

#include <fmt/core.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "libcommon/base/strings.h"

namespace proa {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// Takes `count` digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (char c : text.substr(0, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// The fraction of a second in nanoseconds; the point is gone already.
std::optional<std::int64_t> take_fraction(std::string_view& text) {
  std::int64_t value = 0;
  std::int64_t scale = kSecond;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    if (scale == 1) continue;
    scale /= 10;
    value += (text[digits] - '0') * scale;
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

// "Z" or "+01:30" in seconds east of UTC.
std::optional<int> take_offset(std::string_view& text) {
  if (take(text, 'Z') || take(text, 'z')) return 0;
  int sign = take(text, '+') ? 1 : take(text, '-') ? -1 : 0;
  if (sign == 0) return std::nullopt;
  auto hours = take_digits(text, 2);
  if (!hours || !take(text, ':')) return std::nullopt;
  auto minutes = take_digits(text, 2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

std::string trim_fraction(std::int64_t fraction, int digits) {
  if (fraction == 0) return "";
  std::string text = fmt::format(".{:0{}}", fraction, digits);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};
// Longer names first: "ms" is not "m" and "s".
constexpr Unit kUnits[] = {{"ns", 1},         {"us", 1000},   {"\xc2\xb5s", 1000}, {"\xce\xbcs", 1000},
                           {"ms", 1'000'000}, {"s", kSecond}, {"m", 60 * kSecond}, {"h", 3600 * kSecond}};

// One "12.5ms" off the front, in nanoseconds; at most 2^63, which is only valid with a minus sign.
std::optional<std::uint64_t> take_term(std::string_view& text) {
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 63;
  auto digits = [&] {
    auto length = std::min(text.find_first_not_of("0123456789"), text.size());
    auto part = text.substr(0, length);
    text.remove_prefix(length);
    return part;
  };
  std::string_view whole_text = digits();
  std::string_view fraction_text;
  if (take(text, '.')) fraction_text = digits();
  if (whole_text.empty() && fraction_text.empty()) return std::nullopt;
  auto whole = whole_text.empty() ? 0 : parse_integer<std::uint64_t>(whole_text);
  if (!whole) return std::nullopt;
  for (const auto& unit : kUnits) {
    if (!text.starts_with(unit.name)) continue;
    // "1m5s": the unit is "m"; "1ms": "ms" was tried before.
    text.remove_prefix(unit.name.size());
    auto size = static_cast<std::uint64_t>(unit.nanoseconds);
    if (*whole > kLimit / size) return std::nullopt;
    // As Go computes it, so that equal texts give equal nanoseconds; digits beyond 18 change nothing.
    std::uint64_t digits_value = 0;
    double scale = 1;
    for (char c : fraction_text.substr(0, 18)) {
      digits_value = digits_value * 10 + static_cast<std::uint64_t>(c - '0');
      scale *= 10;
    }
    double fraction = static_cast<double>(digits_value) * (static_cast<double>(size) / scale);
    std::uint64_t total = *whole * size + static_cast<std::uint64_t>(fraction);
    return total > kLimit ? std::nullopt : std::optional(total);
  }
  return std::nullopt;
}

}  // namespace

Time now() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

std::string format_rfc3339(Time time) {
  auto day = std::chrono::floor<std::chrono::days>(time);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), trim_fraction(clock.subseconds().count(), 9));
}

std::optional<Time> parse_rfc3339(std::string_view text) {
  auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  auto day = take_digits(text, 2);
  if (!day || !(take(text, 'T') || take(text, 't') || take(text, ' '))) return std::nullopt;
  auto hour = take_digits(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  auto minute = take_digits(text, 2);
  if (!minute || !take(text, ':')) return std::nullopt;
  auto second = take_digits(text, 2);
  if (!second) return std::nullopt;
  std::optional<std::int64_t> fraction = 0;
  if (take(text, '.')) fraction = take_fraction(text);
  auto offset = take_offset(text);
  if (!fraction || !offset || !text.empty()) return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                   std::chrono::day(static_cast<unsigned>(*day))};
  // 60 is a leap second, which system time has no number for: it becomes the next second.
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60 || *year < 1678 || *year > 2261) return std::nullopt;
  std::chrono::seconds seconds(*hour * 3600 + *minute * 60 + *second - *offset);
  return Time(std::chrono::sys_days(date)) + seconds + Duration(*fraction);
}

std::optional<Duration> parse_go_duration(std::string_view text) {
  bool negative = take(text, '-');
  if (!negative) take(text, '+');
  if (text == "0") return Duration(0);
  if (text.empty()) return std::nullopt;
  std::uint64_t total = 0;
  while (!text.empty()) {
    auto term = take_term(text);
    if (!term) return std::nullopt;
    total += *term;
    if (total > std::uint64_t{1} << 63) return std::nullopt;
  }
  if (!negative && total == std::uint64_t{1} << 63) return std::nullopt;
  return Duration(static_cast<std::int64_t>(negative ? 0 - total : total));
}

std::string format_go_duration(Duration duration) {
  std::int64_t count = duration.count();
  if (count == 0) return "0s";
  std::string sign = count < 0 ? "-" : "";
  std::uint64_t left = count < 0 ? 0 - static_cast<std::uint64_t>(count) : static_cast<std::uint64_t>(count);
  auto part = [&](std::uint64_t unit, int digits) {
    return fmt::format("{}{}", left / unit, trim_fraction(static_cast<std::int64_t>(left % unit), digits));
  };
  if (left < 1000) return sign + part(1, 0) + "ns";
  if (left < 1'000'000) return sign + part(1000, 3) + "\xc2\xb5s";
  if (left < static_cast<std::uint64_t>(kSecond)) return sign + part(1'000'000, 6) + "ms";
  constexpr std::uint64_t kMinute = 60ull * kSecond;
  constexpr std::uint64_t kHour = 60 * kMinute;
  std::string text = sign;
  if (left >= kHour) text += fmt::format("{}h", left / kHour);
  if (left >= kMinute) text += fmt::format("{}m", left % kHour / kMinute);
  left %= kMinute;
  return text + part(kSecond, 9) + "s";
}

std::string human_duration(Duration duration) {
  double exact_seconds = static_cast<double>(duration.count()) / kSecond;
  auto seconds = static_cast<std::int64_t>(exact_seconds);
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < 60) return fmt::format("{} seconds", seconds);
  std::int64_t minutes = seconds / 60;
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return fmt::format("{} minutes", minutes);
  auto hours = static_cast<std::int64_t>(exact_seconds / 3600 + 0.5);
  if (hours == 1) return "About an hour";
  if (hours < 48) return fmt::format("{} hours", hours);
  if (hours < 24 * 7 * 2) return fmt::format("{} days", hours / 24);
  if (hours < 24 * 30 * 2) return fmt::format("{} weeks", hours / 24 / 7);
  if (hours < 24 * 365 * 2) return fmt::format("{} months", hours / 24 / 30);
  return fmt::format("{} years", static_cast<std::int64_t>(exact_seconds / 3600) / 24 / 365);
}

}  // namespace proa
