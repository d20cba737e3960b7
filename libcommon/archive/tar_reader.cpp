#include "libcommon/archive/tar_reader.h"

#include <algorithm>
#include <cstring>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::archive {
namespace {

// Of one extended header or long name. Longest useful content: xattrs of 64 KiB each.
constexpr std::uint64_t kMaxExtra = 1u << 20;
// So that sums of sizes and padding cannot overflow.
constexpr std::uint64_t kMaxSize = std::uint64_t{1} << 62;
// What a 12 byte octal field can say; larger sizes come in a PAX record, and some writers then fill the field with
// this.
constexpr std::int64_t kMaxOctalSize = 077777777777;

std::optional<EntryKind> kind_of(char type) {
  switch (type) {
    case '\0':
    case '0':
    case '7':  // contiguous: an ordinary file everywhere
    case 'S':
      return EntryKind::File;
    case '1':
      return EntryKind::HardLink;
    case '2':
      return EntryKind::Symlink;
    case '3':
      return EntryKind::CharDevice;
    case '4':
      return EntryKind::BlockDevice;
    case '5':
      return EntryKind::Directory;
    case '6':
      return EntryKind::Fifo;
    default:
      return std::nullopt;
  }
}

}  // namespace

TarReader::TarReader(io::Source& input, Skip skip) : input_(input), skip_(std::move(skip)), buffer_(io::kBufferSize) {}

void TarReader::corrupt(const std::string& what) const {
  throw Error(ErrorCode::Corrupt, "tar: " + what + " (at byte " + std::to_string(position()) + ")");
}

// Makes `count` bytes contiguous; false when the input ends before.
bool TarReader::fill(std::size_t count) {
  if (end_ - begin_ >= count) return true;
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  consumed_ += begin_;
  end_ -= begin_;
  begin_ = 0;
  while (end_ < count && !input_ended_) {
    std::size_t got = input_.read(io::Buffer(buffer_).subspan(end_));
    input_ended_ = got == 0;
    end_ += got;
  }
  return end_ >= count;
}

void TarReader::pass_over(std::uint64_t count) {
  while (count != 0) {
    if (begin_ == end_) {
      if (skip_ && count > buffer_.size()) {
        skip_(count);
        consumed_ += count;
        return;
      }
      if (!fill(1)) corrupt("ends too early");
    }
    auto step = static_cast<std::size_t>(std::min<std::uint64_t>(count, end_ - begin_));
    begin_ += step;
    count -= step;
  }
}

io::Bytes TarReader::data() {
  if (left_ == 0) return {};
  if (begin_ == end_ && !fill(1)) corrupt("ends too early");
  auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, end_ - begin_));
  io::Bytes piece(buffer_.data() + begin_, size);
  begin_ += size;
  left_ -= size;
  return piece;
}

// nullopt at the end of the archive: two blocks of zeros (one is enough at the end of the input), or no more input.
std::optional<TarHeader> TarReader::next_header() {
  if (!fill(kBlock)) {
    if (end_ != begin_) corrupt("ends within a header");
    return std::nullopt;
  }
  TarHeader header(io::Bytes(buffer_.data() + begin_, kBlock));
  begin_ += kBlock;
  if (!header.is_zero()) {
    if (!header.checksum_ok()) corrupt("header with a wrong checksum");
    return header;
  }
  read_to_end();
  return std::nullopt;
}

// Padding up to the record size is zeros. Anything else is hidden from some readers and shown by others.
void TarReader::read_to_end() {
  while (true) {
    if (begin_ == end_ && !fill(1)) return;
    auto rest = io::as_text(io::Bytes(buffer_.data() + begin_, end_ - begin_));
    if (rest.find_first_not_of('\0') != std::string_view::npos) corrupt("data after the end of the archive");
    begin_ = end_;
  }
}

bool TarReader::next(TarEntry& entry) {
  if (finished_) return false;
  pass_over(left_ + padding_);
  left_ = padding_ = 0;
  Extras extras;
  while (auto header = next_header()) {
    if (read_extra_header(*header, extras)) continue;
    describe(*header, std::move(extras), entry);
    return true;
  }
  if (extras.pax || extras.gnu_path || extras.gnu_link) corrupt("ends after an extended header");
  finished_ = true;
  return false;
}

std::string TarReader::read_extra(const TarHeader& header) {
  auto size = number(header, field::kSize, "size");
  if (size < 0 || static_cast<std::uint64_t>(size) > kMaxExtra) {
    throw Error(ErrorCode::LimitExceeded, "tar: extended header of " + std::to_string(size) + " bytes; at most " +
                                              std::to_string(kMaxExtra) + " are read");
  }
  std::string content;
  left_ = static_cast<std::uint64_t>(size);
  while (left_ != 0) content.append(io::as_text(data()));
  pass_over(padding_of(static_cast<std::uint64_t>(size)));
  return content;
}

// True when `header` was one that describes the next entry, or nothing at all.
bool TarReader::read_extra_header(const TarHeader& header, Extras& extras) {
  auto take_name = [&](std::optional<std::string>& target) {
    if (target) corrupt("two long names for one entry");
    std::string name = read_extra(header);
    if (auto end = name.find('\0'); end != std::string::npos) name.resize(end);
    target = std::move(name);
  };
  switch (header.type()) {
    case 'x':
    case 'X':  // Solaris' name for the same
      if (extras.pax) corrupt("two extended headers for one entry");
      extras.pax = parse_pax(read_extra(header), false);
      return true;
    case 'g':
      parse_pax(read_extra(header), true);
      return true;
    case 'L':
      take_name(extras.gnu_path);
      return true;
    case 'K':
      take_name(extras.gnu_link);
      return true;
    case 'V':
      read_extra(header);
      return true;  // name of the volume
    default:
      return false;
  }
}

std::int64_t TarReader::number(const TarHeader& header, Field f, const char* what) const {
  auto value = parse_tar_number(header.raw(f));
  if (!value) corrupt(std::string("header with a malformed ") + what);
  return *value;
}

void TarReader::describe(const TarHeader& header, Extras extras, TarEntry& entry) {
  const char type = header.type();
  auto kind = kind_of(type);
  if (!kind) {
    throw Error(ErrorCode::Unsupported, "tar: entry of type '" + escape_control(std::string_view(&type, 1)) + "'");
  }
  entry.kind = *kind;
  entry.sparse = false;
  entry.regions.clear();
  entry.xattrs.clear();
  set_names(header, extras, entry);
  set_numbers(header, extras, entry);
  left_ = entry.stored_size;
  padding_ = padding_of(left_);
  if (type == 'S') set_sparse_gnu(header, entry);
  if (extras.pax) {
    entry.xattrs = std::move(extras.pax->xattrs);
    set_sparse_pax(*extras.pax, entry);
  }
  entry.offset = position();
  if (entry.sparse) check_sparse(entry);
  if (entry.path.empty()) corrupt("entry without a name");
  // v7 knew no directories: their names end with a slash. With type '0' the readers of today disagree.
  if (entry.kind == EntryKind::File && entry.path.ends_with('/')) {
    if (type != '\0') corrupt("regular file with the name of a directory");
    entry.kind = EntryKind::Directory;
  }
  if (entry.kind != EntryKind::File && entry.stored_size != 0) corrupt("entry with data that is no regular file");
}

void TarReader::set_names(const TarHeader& header, Extras& extras, TarEntry& entry) {
  const auto format = header.format();
  entry.path.clear();
  if (format == TarFormat::Ustar || format == TarFormat::Star) {
    entry.path = header.text(format == TarFormat::Ustar ? field::kPrefix : field::kStarPrefix);
    if (!entry.path.empty()) entry.path += '/';
  }
  entry.path += header.text(field::kName);
  entry.link = header.text(field::kLink);
  if (extras.gnu_path) entry.path = std::move(*extras.gnu_path);
  if (extras.gnu_link) entry.link = std::move(*extras.gnu_link);
  if (!extras.pax) return;
  auto& pax = *extras.pax;
  if ((pax.path && extras.gnu_path) || (pax.link && extras.gnu_link)) corrupt("two long names for one entry");
  if (pax.path) entry.path = std::move(*pax.path);
  if (pax.link) entry.link = std::move(*pax.link);
}

void TarReader::set_numbers(const TarHeader& header, const Extras& extras, TarEntry& entry) {
  const PaxRecords none;
  const auto& pax = extras.pax ? *extras.pax : none;
  auto owner = [&](Field f, const std::optional<std::uint64_t>& record, const char* what) {
    auto value = number(header, f, what);
    if (record) return *record;
    if (value < 0) corrupt(std::string("header with a negative ") + what);
    return static_cast<std::uint64_t>(value);
  };
  entry.mode = static_cast<std::uint32_t>(number(header, field::kMode, "mode")) & 07777u;
  entry.uid = owner(field::kUid, pax.uid, "uid");
  entry.gid = owner(field::kGid, pax.gid, "gid");
  entry.mtime = number(header, field::kMtime, "mtime");
  entry.mtime_ns = 0;
  if (pax.mtime) std::tie(entry.mtime, entry.mtime_ns) = *pax.mtime;
  entry.dev_major = entry.dev_minor = 0;
  if (entry.kind == EntryKind::CharDevice || entry.kind == EntryKind::BlockDevice) {
    auto major = number(header, field::kDevMajor, "device number");
    auto minor = number(header, field::kDevMinor, "device number");
    // 12 and 20 bits: what the kernel has (include/linux/kdev_t.h).
    if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff) corrupt("header with an impossible device number");
    entry.dev_major = static_cast<std::uint32_t>(major);
    entry.dev_minor = static_cast<std::uint32_t>(minor);
  }
  auto size = number(header, field::kSize, "size");
  if (size < 0) corrupt("header with a negative size");
  entry.stored_size = static_cast<std::uint64_t>(size);
  if (pax.size) {
    // PAX wins (POSIX); a header that says something else shows other files to readers without PAX.
    const bool agrees = entry.stored_size == *pax.size || size == 0 ||
                        (size == kMaxOctalSize && *pax.size > static_cast<std::uint64_t>(kMaxOctalSize));
    if (!agrees) corrupt("size in the header and in the extended header differ");
    entry.stored_size = *pax.size;
  }
  if (entry.stored_size > kMaxSize) corrupt("impossible size");
  entry.size = entry.stored_size;
}

}  // namespace proa::archive
