// The 512-byte header block: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "libcommon/io/stream.h"

namespace proa::archive {

inline constexpr std::size_t kBlock = 512;

// Offsets and lengths of the fields.
struct Field {
  std::size_t offset, size;
};
namespace field {
inline constexpr Field kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12}, kMtime{136, 12};
inline constexpr Field kChecksum{148, 8}, kType{156, 1}, kLink{157, 100}, kMagic{257, 8};
inline constexpr Field kDevMajor{329, 8}, kDevMinor{337, 8}, kPrefix{345, 155};
// star(1) has times behind a shorter prefix, and says so at the very end.
inline constexpr Field kStarPrefix{345, 131}, kStarTrailer{508, 4};
// GNU's old sparse format: four regions, then "more blocks follow", then the size of the file.
inline constexpr Field kGnuSparse{386, 96}, kGnuExtended{482, 1}, kGnuRealSize{483, 12};
inline constexpr Field kGnuMore{0, 504}, kGnuMoreExtended{504, 1};
inline constexpr std::size_t kGnuRegion = 24;
}  // namespace field

enum class TarFormat { V7, Ustar, Star, Gnu };

class TarHeader {
 public:
  explicit TarHeader(io::Bytes block) : block_(io::as_text(block)) {}

  bool is_zero() const;
  bool checksum_ok() const;
  TarFormat format() const;
  char type() const { return raw(field::kType)[0]; }
  std::string_view raw(Field f) const { return block_.substr(f.offset, f.size); }
  std::string_view text(Field f) const;  // up to the first NUL

 private:
  std::string_view block_;
};

// Octal with blanks or NULs around it, or base 256 (first bit set, two's complement). Blank is 0. nullopt: garbage, or
// beyond 63 bits.
std::optional<std::int64_t> parse_tar_number(std::string_view field);
// Sum of the header's bytes with the checksum field taken as blanks; bytes unsigned, or signed as some old programs
// did.
std::array<std::int64_t, 2> tar_checksums(std::string_view block);

// The data of an entry is padded to whole blocks.
inline std::uint64_t padding_of(std::uint64_t size) { return (kBlock - size % kBlock) % kBlock; }

}  // namespace proa::archive
