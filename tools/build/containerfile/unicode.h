// What the shell lexer asks of a character. Bytes that are no UTF-8 count as one character each.
#pragma once

#include <cstdint>
#include <string_view>

namespace proa::build {

struct Character {
  std::uint32_t code = 0;
  std::size_t size = 0;  // bytes; 0 at the end of the text
};

inline Character decode(std::string_view text, std::size_t at) {
  if (at >= text.size()) return {};
  auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[at + i]); };
  std::uint8_t first = byte(0);
  std::size_t size = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (size == 0 || at + size > text.size()) return {first, 1};
  if (size == 1) return {first, 1};
  std::uint32_t code = first & (0x7Fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {first, 1};
    code = code << 6 | (byte(i) & 0x3Fu);
  }
  return {code, size};
}

inline bool is_white(std::uint32_t c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

// Letters beyond ASCII without a table: everything that is not in a block of symbols and punctuation.
inline bool is_letter(std::uint32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  if (c < 0xC0) return c == 0xAA || c == 0xB5 || c == 0xBA;
  return c != 0xD7 && c != 0xF7 && !(c >= 0x2000 && c < 0x2C00) && !(c >= 0x3000 && c < 0x3040) &&
         !(c >= 0xE000 && c < 0xF900) && !(c >= 0xFF00 && c < 0xFF21) && !(c >= 0x1F000 && c < 0x20000);
}

}  // namespace proa::build
