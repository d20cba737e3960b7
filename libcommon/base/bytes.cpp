#include "libcommon/base/bytes.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cmath>

#include "libcommon/base/strings.h"

namespace proa {
namespace {

constexpr std::array<std::string_view, 9> kDecimalUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
constexpr std::array<std::string_view, 9> kBinaryUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};

std::string format_size(double size, double base, const std::array<std::string_view, 9>& units, int precision) {
  std::size_t unit = 0;
  while (size >= base && unit + 1 < units.size()) {
    size /= base;
    ++unit;
  }
  return fmt::format("{:.{}g}{}", size, precision, units[unit]);
}

// 1 for "" and "b", base^n for k, m, g, t, p with "b" or "ib" after it; nullopt otherwise.
std::optional<double> multiplier(std::string_view suffix, double base) {
  static constexpr std::string_view kPrefixes = "kmgtp";
  std::string lower = to_lower(suffix);
  if (lower.empty() || lower == "b") return 1;
  auto power = kPrefixes.find(lower[0]);
  if (power == std::string_view::npos) return std::nullopt;
  std::string_view tail = std::string_view(lower).substr(1);
  if (!tail.empty() && tail != "b" && tail != "ib") return std::nullopt;
  return std::pow(base, static_cast<double>(power + 1));
}

std::optional<std::int64_t> parse_size(std::string_view text, double base) {
  std::string_view number;
  std::string_view suffix;
  if (auto parts = cut(text, " ")) {
    std::tie(number, suffix) = *parts;
  } else {
    auto last = text.find_last_of("0123456789.");
    if (last == std::string_view::npos) return std::nullopt;
    number = text.substr(0, last + 1);
    suffix = text.substr(last + 1);
  }
  if (number.starts_with('+')) {
    number.remove_prefix(1);
    if (number.starts_with('-')) return std::nullopt;
  }
  double size = 0;
  auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), size);
  if (error != std::errc{} || end != number.data() + number.size() || !std::isfinite(size) || size < 0)
    return std::nullopt;
  auto factor = multiplier(suffix, base);
  if (!factor) return std::nullopt;
  size *= *factor;
  // 2^63 and more do not fit.
  if (size >= 9223372036854775808.0) return std::nullopt;
  return static_cast<std::int64_t>(size);
}

}  // namespace

std::string human_size(double bytes, int precision) { return format_size(bytes, 1000, kDecimalUnits, precision); }
std::string human_size_binary(double bytes, int precision) { return format_size(bytes, 1024, kBinaryUnits, precision); }
std::optional<std::int64_t> parse_size_1000(std::string_view text) { return parse_size(text, 1000); }
std::optional<std::int64_t> parse_size_1024(std::string_view text) { return parse_size(text, 1024); }

}  // namespace proa
