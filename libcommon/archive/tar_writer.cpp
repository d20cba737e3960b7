#include "libcommon/archive/tar_writer.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "libcommon/archive/pax.h"
#include "libcommon/archive/tar_format.h"
#include "libcommon/base/error.h"

namespace proa::archive {
namespace {

char type_of(EntryKind kind) {
  switch (kind) {
    case EntryKind::File:
      return '0';
    case EntryKind::HardLink:
      return '1';
    case EntryKind::Symlink:
      return '2';
    case EntryKind::CharDevice:
      return '3';
    case EntryKind::BlockDevice:
      return '4';
    case EntryKind::Directory:
      return '5';
    case EntryKind::Fifo:
      return '6';
  }
  PROA_CHECK(!"known kind");
}

class Block {
 public:
  void put_text(Field f, std::string_view text) {
    text = text.substr(0, f.size);
    if (!text.empty()) std::memcpy(bytes_.data() + f.offset, text.data(), text.size());
  }
  // Octal with leading zeros and a NUL; false (and zeros) when it does not fit.
  bool put_number(Field f, std::uint64_t value) {
    const bool fits = value < (std::uint64_t{1} << (3 * (f.size - 1)));
    char digits[32];
    std::snprintf(digits, sizeof digits, "%0*llo", static_cast<int>(f.size - 1),
                  static_cast<unsigned long long>(fits ? value : 0));
    put_text(f, digits);
    return fits;
  }
  io::Bytes finish() {
    put_text(field::kMagic, std::string_view("ustar\0"
                                             "00",
                                             8));
    char sum[16];
    std::snprintf(sum, sizeof sum, "%06llo",
                  static_cast<unsigned long long>(tar_checksums({bytes_.data(), bytes_.size()})[0] & 0777777));
    put_text(field::kChecksum, std::string_view(sum, 7));  // six digits, NUL
    bytes_[field::kChecksum.offset + 7] = ' ';
    return std::as_bytes(std::span(bytes_));
  }

 private:
  std::array<char, kBlock> bytes_{};
};

// Splits a path into ustar's prefix and name; false when it cannot be.
bool split_path(std::string_view path, std::string_view& prefix, std::string_view& name) {
  prefix = {};
  name = path;
  if (path.size() <= field::kName.size) return true;
  // The slash between the two is not stored. Behind it something must be left, the final slash of a directory apart.
  auto slash = path.find('/', path.size() - field::kName.size - 1);
  if (slash == std::string_view::npos || slash == 0 || slash + 1 >= path.size() || slash > field::kPrefix.size)
    return false;
  prefix = path.substr(0, slash);
  name = path.substr(slash + 1);
  return true;
}

bool is_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    auto c = static_cast<unsigned char>(text[i]);
    std::size_t more = c < 0x80 ? 0 : (c >> 5) == 6 && c >= 0xc2 ? 1 : (c >> 4) == 14 ? 2 : (c >> 3) == 30 ? 3 : 9;
    if (more == 9 || i + more >= text.size()) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) >> 6) != 2) return false;
    }
    i += more + 1;
  }
  return true;
}

// Header block and the PAX records for what it cannot hold.
struct Headers {
  Block block;
  std::vector<std::pair<std::string, std::string>> records;

  void number(Field f, const char* key, std::uint64_t value) {
    if (!block.put_number(f, value)) records.emplace_back(key, std::to_string(value));
  }
  void path(const std::string& path) {
    std::string_view prefix, name;
    if (!split_path(path, prefix, name)) {
      records.emplace_back("path", path);
      name = std::string_view(path).substr(path.size() - field::kName.size);
      // Readers take a name that ends in a slash for a directory's; the record says the right one.
      if (name.starts_with('/')) name.remove_prefix(1);
    }
    block.put_text(field::kPrefix, prefix);
    block.put_text(field::kName, name);
  }
  void link(const std::string& target) {
    if (target.size() > field::kLink.size) records.emplace_back("linkpath", target);
    block.put_text(field::kLink, target);
  }
  void mtime(std::int64_t seconds, std::uint32_t nanos) {
    const bool plain = seconds >= 0 && nanos == 0;
    if (plain) return number(field::kMtime, "mtime", static_cast<std::uint64_t>(seconds));
    block.put_number(field::kMtime, seconds >= 0 ? static_cast<std::uint64_t>(seconds) : 0);
    records.emplace_back("mtime", time_text(seconds, nanos));
  }

  static std::string time_text(std::int64_t seconds, std::uint32_t nanos) {
    if (nanos == 0) return std::to_string(seconds);
    // "-1.25" is 1.25 s before 1970: seconds -2, nanoseconds 750000000.
    const bool negative = seconds < 0;
    std::int64_t whole = negative ? -(seconds + 1) : seconds;
    std::uint32_t rest = negative ? 1'000'000'000 - nanos : nanos;
    char text[48];
    std::snprintf(text, sizeof text, "%s%lld.%09u", negative ? "-" : "", static_cast<long long>(whole), rest);
    return text;
  }
};

std::string sparse_map_text(const std::vector<SparseRegion>& regions) {
  std::string map = std::to_string(regions.size()) + "\n";
  for (const auto& region : regions) map += std::to_string(region.offset) + "\n" + std::to_string(region.size) + "\n";
  map.resize(map.size() + padding_of(map.size()), '\0');
  return map;
}

std::string encode_records(std::vector<std::pair<std::string, std::string>> records) {
  std::sort(records.begin(), records.end());
  std::string body;
  const bool binary = std::any_of(records.begin(), records.end(), [](const auto& record) {
    return (record.first == "path" || record.first == "linkpath" || record.first == "GNU.sparse.name") &&
           !is_utf8(record.second);
  });
  if (binary) append_pax_record(body, "hdrcharset", "BINARY");  // pax: values are UTF-8 otherwise
  for (const auto& [key, value] : records) append_pax_record(body, key, value);
  return body;
}

}  // namespace

void TarWriter::begin(const TarEntry& entry) {
  PROA_CHECK(left_ == 0 && padding_ == 0);
  PROA_CHECK(entry.kind == EntryKind::File || entry.stored_size == 0);
  Headers headers;
  std::string map;
  std::string path = entry.path;
  if (entry.kind == EntryKind::Directory && !path.ends_with('/')) path += '/';
  if (entry.sparse) {
    map = sparse_map_text(entry.regions);
    headers.records.emplace_back("GNU.sparse.major", "1");
    headers.records.emplace_back("GNU.sparse.minor", "0");
    headers.records.emplace_back("GNU.sparse.name", path);
    headers.records.emplace_back("GNU.sparse.realsize", std::to_string(entry.size));
    path = "GNUSparseFile.0/" + path.substr(path.rfind('/') + 1);
  }
  headers.path(path);
  headers.link(entry.link);
  headers.block.put_text(field::kType, std::string(1, type_of(entry.kind)));
  headers.block.put_number(field::kMode, entry.mode & 07777u);
  headers.number(field::kUid, "uid", entry.uid);
  headers.number(field::kGid, "gid", entry.gid);
  headers.number(field::kSize, "size", entry.stored_size + map.size());
  headers.mtime(entry.mtime, entry.mtime_ns);
  headers.block.put_number(field::kDevMajor, entry.dev_major);
  headers.block.put_number(field::kDevMinor, entry.dev_minor);
  for (const auto& [name, value] : entry.xattrs) {
    PROA_CHECK(name.find('=') == std::string::npos);  // would end the key
    headers.records.emplace_back("SCHILY.xattr." + name, value);
  }
  if (!headers.records.empty()) {
    std::string body = encode_records(std::move(headers.records));
    Block extended;
    auto base = std::string_view(entry.path).substr(entry.path.rfind('/') + 1);
    extended.put_text(field::kName, "PaxHeaders/" + std::string(base.substr(0, 80)));
    extended.put_text(field::kType, "x");
    extended.put_number(field::kMode, 0644);
    extended.put_number(field::kUid, 0);
    extended.put_number(field::kGid, 0);
    extended.put_number(field::kSize, body.size());
    extended.put_number(field::kMtime, 0);
    emit(extended.finish());
    emit(io::as_bytes(body));
    emit_zeros(padding_of(body.size()));
  }
  emit(headers.block.finish());
  emit(io::as_bytes(map));
  left_ = entry.stored_size;
  padding_ = padding_of(left_);
}

void TarWriter::write(io::Bytes data) {
  PROA_CHECK(data.size() <= left_);
  left_ -= data.size();
  emit(data);
}

void TarWriter::end() {
  PROA_CHECK(left_ == 0);
  emit_zeros(std::exchange(padding_, 0));
}

void TarWriter::finish() {
  PROA_CHECK(left_ == 0 && padding_ == 0);
  emit_zeros(2 * kBlock);
  flush();
}

void TarWriter::emit(io::Bytes data) {
  // What does not go through the buffer must not overtake what is in it.
  const bool direct = data.size() >= io::kBufferSize / 2;
  if (direct || buffer_.size() + data.size() > io::kBufferSize) flush();
  if (direct) return out_.write(data);
  buffer_.insert(buffer_.end(), data.begin(), data.end());
}

void TarWriter::emit_zeros(std::uint64_t count) {
  static constexpr std::array<std::byte, 2 * kBlock> kZeros{};
  if (count != 0) emit(io::Bytes(kZeros).first(count));
}

void TarWriter::flush() {
  if (!buffer_.empty()) out_.write(buffer_);
  buffer_.clear();
}

}  // namespace proa::archive
