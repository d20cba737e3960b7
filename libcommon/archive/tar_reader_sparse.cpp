// Sparse files: GNU tar manual, "Storing Sparse Files" (old GNU format; PAX versions 0.0, 0.1 and 1.0).
#include <charconv>

#include "libcommon/archive/tar_reader.h"
#include "libcommon/base/error.h"

namespace proa::archive {
namespace {

// Of the map's text, or of its header blocks. A map of this size describes tens of thousands of holes.
constexpr std::uint64_t kMaxMap = 1u << 20;

[[noreturn]] void map_too_large() {
  throw Error(ErrorCode::LimitExceeded,
              "tar: map of a sparse file with more than " + std::to_string(kMaxMap) + " bytes");
}

// Regions of the old format, in the header and in blocks of their own between header and data. False at the first
// unused one.
bool add_gnu_regions(std::string_view raw, std::vector<SparseRegion>& regions) {
  for (; raw.size() >= field::kGnuRegion; raw.remove_prefix(field::kGnuRegion)) {
    if (raw[0] == '\0') return true;
    auto offset = parse_tar_number(raw.substr(0, 12));
    auto size = parse_tar_number(raw.substr(12, 12));
    if (!offset || !size || *offset < 0 || *size < 0) return false;
    regions.push_back({static_cast<std::uint64_t>(*offset), static_cast<std::uint64_t>(*size)});
  }
  return true;
}

}  // namespace

void TarReader::set_sparse_gnu(const TarHeader& header, TarEntry& entry) {
  if (header.format() != TarFormat::Gnu) corrupt("sparse entry that is not in GNU's format");
  entry.sparse = true;
  auto size = number(header, field::kGnuRealSize, "sparse size");
  if (size < 0) corrupt("header with a negative size");
  entry.size = static_cast<std::uint64_t>(size);
  bool good = add_gnu_regions(header.raw(field::kGnuSparse), entry.regions);
  bool more = header.raw(field::kGnuExtended)[0] != '\0';
  for (std::uint64_t blocks = 0; good && more; ++blocks) {
    if (blocks * kBlock >= kMaxMap) map_too_large();
    if (!fill(kBlock)) corrupt("ends within the map of a sparse file");
    TarHeader block(io::Bytes(buffer_.data() + begin_, kBlock));
    good = add_gnu_regions(block.raw(field::kGnuMore), entry.regions);
    more = block.raw(field::kGnuMoreExtended)[0] != '\0';
    begin_ += kBlock;
  }
  if (!good) corrupt("malformed map of a sparse file");
}

void TarReader::set_sparse_pax(PaxRecords& pax, TarEntry& entry) {
  const bool version_1 = pax.sparse_major.value_or(0) == 1 && pax.sparse_minor.value_or(0) == 0;
  if (!version_1 && !pax.has_sparse_map) {
    if (pax.sparse_major.value_or(0) != 0)
      throw Error(ErrorCode::Unsupported, "tar: sparse file of an unknown version");
    return;
  }
  if (entry.kind != EntryKind::File || entry.sparse) corrupt("sparse entry that is no regular file");
  auto real_size = pax.sparse_real_size ? pax.sparse_real_size : pax.sparse_size;
  if (!real_size) corrupt("sparse file without a size");
  entry.sparse = true;
  entry.size = *real_size;
  if (pax.sparse_name) entry.path = std::move(*pax.sparse_name);
  if (version_1) {
    read_sparse_map_1_0(entry);
  } else {
    if (pax.sparse_count && *pax.sparse_count != pax.sparse_map.size()) corrupt("malformed map of a sparse file");
    entry.regions = std::move(pax.sparse_map);
  }
}

// The data begins with the map: a count, then offset and size of each region, decimal, a line each, padded to a block.
void TarReader::read_sparse_map_1_0(TarEntry& entry) {
  std::uint64_t used = 0;
  io::Bytes piece;
  auto next_number = [&] {
    std::string digits;
    while (true) {
      if (piece.empty()) {
        if (used >= kMaxMap) map_too_large();
        if (left_ < kBlock || !fill(kBlock)) corrupt("malformed map of a sparse file");
        piece = io::Bytes(buffer_.data() + begin_, kBlock);
        begin_ += kBlock;
        left_ -= kBlock;
        used += kBlock;
      }
      char c = static_cast<char>(piece.front());
      piece = piece.subspan(1);
      if (c == '\n') break;
      if (c < '0' || c > '9' || digits.size() >= 19) corrupt("malformed map of a sparse file");
      digits += c;
    }
    std::uint64_t value = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || error != std::errc{}) corrupt("malformed map of a sparse file");
    return value;
  };
  const std::uint64_t count = next_number();
  if (count > kMaxMap / 4) map_too_large();  // "0\n0\n" is the shortest region
  for (std::uint64_t i = 0; i < count; ++i) {
    auto offset = next_number();
    entry.regions.push_back({offset, next_number()});
  }
  entry.stored_size -= used;
}

void TarReader::check_sparse(const TarEntry& entry) const {
  std::uint64_t end = 0, total = 0;
  for (const auto& region : entry.regions) {
    if (region.offset < end || region.size > entry.size || region.offset > entry.size - region.size) {
      corrupt("map of a sparse file with regions that overlap or lie outside");
    }
    end = region.offset + region.size;
    total += region.size;
  }
  if (total != entry.stored_size) corrupt("map of a sparse file that does not fit its data");
}

}  // namespace proa::archive
