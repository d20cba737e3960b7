#include "libcommon/transport/tar_split.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "libcommon/base/base64.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/json.h"

namespace proa::transport {

namespace {

// A segment holds headers and what no file holds, such as long names and padding.
constexpr std::size_t kMaxLine = 16 << 20;
constexpr std::int64_t kFile = 1, kSegment = 2;

class LineReader {
 public:
  explicit LineReader(std::unique_ptr<io::Source> source) : source_(std::move(source)) {}

  std::optional<std::string> next() {
    for (;;) {
      if (const auto end = buffer_.find('\n', searched_); end != std::string::npos) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        searched_ = 0;
        return line;
      }
      searched_ = buffer_.size();
      if (buffer_.size() > kMaxLine)
        throw Error(ErrorCode::LimitExceeded, "a line of the tar-split record is too long");
      std::byte part[1 << 15];
      const auto got = source_->read(part);
      if (got == 0) break;
      buffer_.append(io::as_text(io::Bytes(part, got)));
    }
    if (buffer_.empty()) return std::nullopt;
    searched_ = 0;
    return std::exchange(buffer_, {});
  }

 private:
  std::unique_ptr<io::Source> source_;
  std::string buffer_;
  std::size_t searched_ = 0;
};

class TarSplitSource final : public io::Source {
 public:
  TarSplitSource(std::unique_ptr<io::Source> record, os::Dir files)
      : lines_(std::move(record)), files_(std::move(files)) {}

  std::size_t read(io::Buffer buffer) override {
    while (!buffer.empty()) {
      if (at_ < segment_.size()) {
        const auto count = std::min(buffer.size(), segment_.size() - at_);
        std::copy_n(io::as_bytes(segment_).begin() + static_cast<std::ptrdiff_t>(at_), count, buffer.begin());
        at_ += count;
        return count;
      }
      if (file_left_ > 0) return read_file(buffer);
      const auto line = lines_.next();
      if (!line) return 0;
      if (!trim(*line).empty()) take(*line);
    }
    return 0;
  }

 private:
  void take(const std::string& line) {
    const auto json = oci::parse_json(line, "tar-split record", kMaxLine + 1);
    const oci::JsonObject entry(json, "tar-split record");
    const auto type = entry.require_integer("type");
    if (type == kSegment) {
      const auto bytes = base64_decode(entry.string_or_empty("payload"));
      if (!bytes) entry.fail("payload", "not base64");
      segment_ = *bytes;
      at_ = 0;
    } else if (type == kFile) {
      const auto size = entry.find("size") == nullptr ? 0 : entry.require_size("size");
      if (size > 0) open_file(name_of(entry), size);
    } else {
      entry.fail("type", "neither 1 nor 2");
    }
  }

  static std::string name_of(const oci::JsonObject& entry) {
    if (const auto raw = entry.string("name_raw")) {  // a name that is no UTF-8
      const auto bytes = base64_decode(*raw);
      if (!bytes) entry.fail("name_raw", "not base64");
      return *bytes;
    }
    return entry.require_string("name");
  }

  void open_file(const std::string& name, std::uint64_t size) {
    const While reading{[&] { return fmt::format("reading {} below {}", escape_control(name), files_.name()); }};
    file_ = files_.open_in_root(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    struct stat found {};
    if (::fstat(file_.get(), &found) != 0) throw system_error("fstat");
    if (!S_ISREG(found.st_mode) || static_cast<std::uint64_t>(found.st_size) != size)
      throw Error(ErrorCode::Corrupt, "this file is not the one that was unpacked there");
    file_left_ = size;
  }

  std::size_t read_file(io::Buffer buffer) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), file_left_));
    const auto got = os::read_some(file_.get(), buffer.first(want), files_.name());
    if (got == 0) throw Error(ErrorCode::Corrupt, fmt::format("a file below {} became shorter", files_.name()));
    file_left_ -= got;
    return got;
  }

  LineReader lines_;
  os::Dir files_;
  std::string segment_;
  std::size_t at_ = 0;
  os::UniqueFd file_;
  std::uint64_t file_left_ = 0;
};

}  // namespace

std::unique_ptr<io::Source> open_tar_split(std::unique_ptr<io::Source> record, os::Dir files) {
  return std::make_unique<TarSplitSource>(std::move(record), std::move(files));
}

}  // namespace proa::transport
