// Small text helpers that the standard library lacks.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proa {

// Lets maps keyed by std::string be searched with a string_view.
template <typename Value>
using StringMap = std::map<std::string, Value, std::less<>>;

// Splits at every `separator`; "a,,b" has three parts, "" one empty part.
std::vector<std::string> split(std::string_view text, char separator);
// At most `limit` parts; the last one keeps later separators.
std::vector<std::string> split(std::string_view text, char separator, std::size_t limit);
// The text before and after the first (last) separator; nullopt when there is none. Views into `text`, so a temporary
// string is refused.
std::optional<std::pair<std::string_view, std::string_view>> cut(std::string_view text, std::string_view separator);
std::optional<std::pair<std::string_view, std::string_view>> cut_last(std::string_view text,
                                                                      std::string_view separator);
template <std::same_as<std::string> Temporary>
void cut(Temporary&&, std::string_view) = delete;
template <std::same_as<std::string> Temporary>
void cut_last(Temporary&&, std::string_view) = delete;
std::string join(const std::vector<std::string>& parts, std::string_view separator);
// Without ASCII white space at either end.
std::string_view trim(std::string_view text);
// Characters of a UTF-8 text; not columns of a terminal: wide ones are not known without a locale.
std::size_t count_characters(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);
bool is_hex(std::string_view text);  // lower case only, not empty
std::string to_hex(const void* data, std::size_t size);

// The whole text as a decimal number: no sign for unsigned types, no spaces, no overflow.
template <typename Integer>
std::optional<Integer> parse_integer(std::string_view text, int base = 10) {
  Integer value{};
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc{} || stop != end || text.empty()) return std::nullopt;
  return value;
}

// Text from images, archives, registries or containers, made safe to print: control bytes become \x1b, \n becomes "\n"
// (two characters). UTF-8 is kept; bytes that are no UTF-8 are escaped as well.
std::string escape_control(std::string_view text);

// The word of `candidates` nearest to `word` (edit distance at most a third of its length plus one), for "did you
// mean".
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace proa
