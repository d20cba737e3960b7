#include "libcommon/archive/tar_format.h"

#include <algorithm>

#include "libcommon/archive/import.h"

namespace proa::archive {

bool TarHeader::is_zero() const {
  return std::all_of(block_.begin(), block_.end(), [](char c) { return c == '\0'; });
}

std::array<std::int64_t, 2> tar_checksums(std::string_view block) {
  std::int64_t with_unsigned = 0, with_signed = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    bool own = i >= field::kChecksum.offset && i < field::kChecksum.offset + field::kChecksum.size;
    char c = own ? ' ' : block[i];
    with_unsigned += static_cast<unsigned char>(c);
    with_signed += static_cast<signed char>(c);
  }
  return {with_unsigned, with_signed};
}

bool TarHeader::checksum_ok() const {
  auto stored = parse_tar_number(raw(field::kChecksum));
  auto sums = tar_checksums(block_);
  return stored && (*stored == sums[0] || *stored == sums[1]);
}

TarFormat TarHeader::format() const {
  using namespace std::string_view_literals;
  auto magic = raw(field::kMagic);
  if (magic == "ustar  \0"sv) return TarFormat::Gnu;
  if (magic.substr(0, 6) != "ustar\0"sv) return TarFormat::V7;
  return raw(field::kStarTrailer) == "tar\0"sv ? TarFormat::Star : TarFormat::Ustar;
}

std::string_view TarHeader::text(Field f) const {
  auto bytes = raw(f);
  return bytes.substr(0, bytes.find('\0'));
}

namespace {

std::optional<std::int64_t> parse_base256(std::string_view field) {
  // Two's complement, big endian; the first bit is the mark, the second one the sign.
  const bool negative = (field[0] & 0x40) != 0;
  const unsigned char fill = negative ? 0xff : 0x00;
  std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
  for (std::size_t i = 0; i < field.size(); ++i) {
    auto byte = static_cast<unsigned char>(field[i]);
    if (i == 0) byte = negative ? static_cast<unsigned char>(byte | 0x80) : static_cast<unsigned char>(byte & 0x7f);
    // What is shifted out must be nothing but sign.
    if (static_cast<unsigned char>(value >> 56) != fill) return std::nullopt;
    value = (value << 8) | byte;
  }
  auto number = static_cast<std::int64_t>(value);
  if ((number < 0) != negative) return std::nullopt;
  return number;
}

}  // namespace

std::optional<std::int64_t> parse_tar_number(std::string_view field) {
  if (!field.empty() && (field[0] & 0x80) != 0) return parse_base256(field);
  auto is_blank = [](char c) { return c == ' ' || c == '\0'; };
  while (!field.empty() && is_blank(field.front())) field.remove_prefix(1);
  while (!field.empty() && is_blank(field.back())) field.remove_suffix(1);
  // At most twelve digits: no overflow.
  std::int64_t value = 0;
  for (char c : field) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value * 8 + (c - '0');
  }
  return value;
}

bool looks_like_tar(io::Bytes head) {
  if (head.size() < kBlock) return false;
  TarHeader header(head.first(kBlock));
  return !header.is_zero() && header.checksum_ok();
}

}  // namespace proa::archive
