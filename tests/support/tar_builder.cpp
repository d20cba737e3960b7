#include "tests/support/tar_builder.h"

#include <cstdio>
#include <cstring>

namespace proa::testing {
namespace {

void put(std::string& header, std::size_t offset, std::string_view text) { header.replace(offset, text.size(), text); }

std::string octal(std::uint64_t value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(value));
  return text;
}

// Big endian, first bit set: for what does not fit into octal digits, and for negative numbers.
std::string base256(std::int64_t value, std::size_t size) {
  std::string bytes(size, value < 0 ? '\xff' : '\0');
  for (std::size_t i = 0; i < 8 && i < size; ++i) {
    bytes[size - 1 - i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
  }
  bytes[0] = static_cast<char>(bytes[0] | 0x80);
  return bytes;
}

std::string number(std::int64_t value, std::size_t size) {
  const bool fits = value >= 0 && static_cast<std::uint64_t>(value) < (std::uint64_t{1} << (3 * (size - 1)));
  return fits ? octal(static_cast<std::uint64_t>(value), static_cast<int>(size) - 1) : base256(value, size);
}

std::string padded(std::string text) {
  text.resize((text.size() + 511) / 512 * 512, '\0');
  return text;
}

}  // namespace

std::string pax_record(std::string_view key, std::string_view value) {
  std::string rest = " " + std::string(key) + "=" + std::string(value) + "\n";
  std::size_t length = rest.size();
  while (std::to_string(length).size() + rest.size() != length) length = std::to_string(length).size() + rest.size();
  return std::to_string(length) + rest;
}

TarBuilder& TarBuilder::add(const TarMember& member) {
  if (!member.pax.empty()) {
    std::string body;
    for (const auto& [key, value] : member.pax) body += pax_record(key, value);
    add({.name = "pax", .type = 'x', .content = body});
  }
  std::string header(512, '\0');
  put(header, 0, std::string_view(member.name).substr(0, 100));
  put(header, 100, octal(member.mode, 7));
  put(header, 108, number(static_cast<std::int64_t>(member.uid), 8));
  put(header, 116, number(static_cast<std::int64_t>(member.gid), 8));
  put(header, 124, number(static_cast<std::int64_t>(member.content.size()), 12));
  put(header, 136, number(member.mtime, 12));
  header[156] = member.type;
  put(header, 157, std::string_view(member.link).substr(0, 100));
  put(header, 257, member.magic);
  put(header, 329, octal(member.dev_major, 7));
  put(header, 337, octal(member.dev_minor, 7));
  for (const auto& [offset, text] : member.raw) put(header, offset, text);
  put(header, 148, "        ");
  unsigned sum = member.good_checksum ? 0 : 1;
  for (char c : header) sum += static_cast<unsigned char>(c);
  put(header, 148, octal(sum, 6) + std::string("\0 ", 2));
  data_ += header + padded(member.content);
  return *this;
}

}  // namespace proa::testing
