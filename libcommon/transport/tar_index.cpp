#include "libcommon/transport/tar_index.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <limits>
#include <optional>

#include "libcommon/base/error.h"

namespace proa::transport {

namespace {

constexpr std::uint64_t kBlock = 512;
constexpr std::size_t kMaxMembers = 1'000'000;
constexpr std::uint64_t kMaxExtendedHeader = 1 << 20;

using Block = std::array<unsigned char, kBlock>;

// Fields of a header block, POSIX.1-2017 pax, "ustar Interchange Format".
struct Field {
  std::size_t offset, size;
};
constexpr Field kName{0, 100}, kSize{124, 12}, kChecksum{148, 8}, kLink{157, 100}, kMagic{257, 6}, kPrefix{345, 155};
constexpr std::size_t kType = 156;

std::string text_field(const Block& block, Field field) {
  const char* start = reinterpret_cast<const char*>(block.data()) + field.offset;
  std::string_view text(start, field.size);
  return std::string(text.substr(0, text.find('\0')));
}

std::optional<std::uint64_t> number_field(const Block& block, Field field) {
  if ((block[field.offset] & 0x80) != 0) {  // GNU base-256; negative numbers have no place here
    std::uint64_t value = block[field.offset] & 0x7f;
    for (std::size_t i = 1; i < field.size; ++i) {
      if (value > (std::numeric_limits<std::uint64_t>::max() >> 8)) return std::nullopt;
      value = value << 8 | block[field.offset + i];
    }
    return value;
  }
  const std::string text = text_field(block, field);
  const auto digits = trim(text);
  if (digits.empty()) return 0;
  return parse_integer<std::uint64_t>(digits, 8);
}

bool checksum_fits(const Block& block) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    sum += i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size ? ' ' : block[i];
  }
  const auto declared = number_field(block, kChecksum);
  return declared && *declared == sum;
}

class Reader {
 public:
  Reader(int fd, const std::string& name) : fd_(fd), name_(name) {
    struct stat found {};
    if (::fstat(fd, &found) != 0) throw system_error(fmt::format("fstat {}", name));
    end_ = static_cast<std::uint64_t>(found.st_size);
  }

  StringMap<TarMember> run() {
    Block block;
    bool first = true;
    while (read_block(block)) {
      if (block == Block{}) break;  // two of them end an archive; some writers leave the second out
      if (!checksum_fits(block)) {
        throw Error(ErrorCode::Corrupt,
                    fmt::format("{} is {}", name_, first ? "not a tar archive" : "a damaged tar archive"));
      }
      first = false;
      member(block);
    }
    if (first && members_.empty() && end_ < kBlock)
      throw Error(ErrorCode::Corrupt, fmt::format("{} is not a tar archive", name_));
    return std::move(members_);
  }

 private:
  void read_at(std::uint64_t offset, void* data, std::size_t size) const {
    std::size_t done = 0;
    while (done < size) {
      const auto got = ::pread(fd_, static_cast<char*>(data) + done, size - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw system_error(fmt::format("read {}", name_));
      if (got == 0) cut_short();
      done += static_cast<std::size_t>(got);
    }
  }
  [[noreturn]] void cut_short() const { throw Error(ErrorCode::Corrupt, fmt::format("{} is cut short", name_)); }

  bool read_block(Block& block) {
    if (at_ == end_) return false;
    if (end_ - at_ < kBlock) cut_short();
    read_at(at_, block.data(), block.size());
    at_ += kBlock;
    return true;
  }

  std::string extended(std::uint64_t size) const {
    if (size > kMaxExtendedHeader) {
      throw Error(ErrorCode::LimitExceeded, fmt::format("{}: an extended header is larger than 1 MiB", name_));
    }
    std::string data(size, '\0');
    read_at(at_, data.data(), data.size());
    return data;
  }

  void member(const Block& block) {
    auto size = number_field(block, kSize);
    const char type = static_cast<char>(block[kType]);
    const bool is_extended = type == 'x' || type == 'g' || type == 'L' || type == 'K';
    if (!is_extended && pax_size_) size = std::exchange(pax_size_, std::nullopt);
    const bool has_data = is_extended || type == '0' || type == '\0' || type == '7';
    if (!size || (has_data && *size > end_ - at_)) cut_short();
    if (type == 'S' || sparse_) throw Error(ErrorCode::Unsupported, fmt::format("{} has sparse members", name_));
    if (type == 'x') parse_pax(extended(*size));
    if (type == 'L') long_name_ = text_of(extended(*size));
    if (type == 'K') long_link_ = text_of(extended(*size));
    if (!is_extended) add(block, type, *size);
    // Links and directories may declare a size, but nothing follows them (ustar: ignored for these types).
    if (has_data) at_ += (*size + kBlock - 1) / kBlock * kBlock;
    if (at_ > end_) at_ = end_;
  }

  static std::string text_of(const std::string& data) { return data.substr(0, data.find('\0')); }

  void parse_pax(std::string_view data) {
    while (!data.empty()) {
      const auto space = data.find(' ');
      const auto length =
          space == std::string_view::npos ? std::nullopt : parse_integer<std::size_t>(data.substr(0, space));
      if (!length || *length <= space + 1 || *length > data.size() || data[*length - 1] != '\n') {
        throw Error(ErrorCode::Corrupt, fmt::format("{} has a damaged extended header", name_));
      }
      const auto record = cut(data.substr(space + 1, *length - space - 2), "=");
      if (record && record->first == "path") long_name_ = std::string(record->second);
      if (record && record->first == "linkpath") long_link_ = std::string(record->second);
      if (record && record->first == "size") {
        pax_size_ = parse_integer<std::uint64_t>(record->second);
        if (!pax_size_)
          throw Error(ErrorCode::Corrupt, fmt::format("{} has a damaged size in an extended header", name_));
      }
      if (record && record->first.starts_with("GNU.sparse")) sparse_ = true;
      data.remove_prefix(*length);
    }
  }

  void add(const Block& block, char type, std::uint64_t size) {
    std::string name = text_field(block, kName);
    // GNU's header (magic "ustar ") has other things where ustar has the prefix.
    const bool ustar = block[kMagic.offset + 5] == 0;
    const std::string prefix = ustar ? text_field(block, kPrefix) : "";
    if (!prefix.empty()) name = prefix + "/" + name;
    if (long_name_) name = *std::exchange(long_name_, std::nullopt);
    std::string link = text_field(block, kLink);
    if (long_link_) link = *std::exchange(long_link_, std::nullopt);
    const bool is_link = type == '1' || type == '2';
    if (!is_link && type != '0' && type != '\0' && type != '7') return;
    name = clean_member_name(name);
    if (name.empty() || (is_link && link.empty())) return;
    if (members_.size() >= kMaxMembers)
      throw Error(ErrorCode::LimitExceeded, fmt::format("{} has too many members", name_));
    members_.try_emplace(
        std::move(name),
        TarMember{.offset = at_, .size = is_link ? 0 : size, .link = is_link ? link : "", .symbolic = type == '2'});
  }

  int fd_;
  const std::string& name_;
  std::uint64_t end_ = 0;
  std::uint64_t at_ = 0;
  StringMap<TarMember> members_;
  std::optional<std::string> long_name_, long_link_;
  std::optional<std::uint64_t> pax_size_;
  bool sparse_ = false;
};

}  // namespace

std::string clean_member_name(std::string_view name) {
  std::vector<std::string> kept;
  for (auto& part : split(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (kept.empty()) return {};
      kept.pop_back();
      continue;
    }
    kept.push_back(std::move(part));
  }
  return join(kept, "/");
}

StringMap<TarMember> read_tar_index(int fd, const std::string& name) { return Reader(fd, name).run(); }

}  // namespace proa::transport
