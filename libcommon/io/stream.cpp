#include "libcommon/io/stream.h"

#include <algorithm>
#include <cstring>

#include "libcommon/base/error.h"
#include "libcommon/os/file.h"

namespace proa::io {

std::uint64_t copy(Source& from, Sink& to) {
  std::vector<std::byte> buffer(kBufferSize);
  std::uint64_t total = 0;
  while (std::size_t got = from.read(buffer)) {
    to.write(Bytes(buffer.data(), got));
    total += got;
  }
  return total;
}

std::string read_all(Source& source, std::uint64_t max_size, std::string_view what) {
  std::string text;
  std::size_t filled = 0;
  while (true) {
    if (text.size() - filled < 4096) text.resize(std::max<std::size_t>(16 * 1024, text.size() * 2));
    std::size_t got = source.read(std::as_writable_bytes(std::span(text.data() + filled, text.size() - filled)));
    if (got == 0) break;
    filled += got;
    if (filled > max_size) {
      throw Error(ErrorCode::LimitExceeded, std::string(what) + ": larger than " + std::to_string(max_size) + " bytes");
    }
  }
  text.resize(filled);
  return text;
}

std::size_t read_full(Source& source, Buffer buffer) {
  std::size_t filled = 0;
  while (filled < buffer.size()) {
    std::size_t got = source.read(buffer.subspan(filled));
    if (got == 0) break;
    filled += got;
  }
  return filled;
}

std::size_t MemorySource::read(Buffer buffer) {
  std::size_t count = std::min(buffer.size(), data_.size() - at_);
  if (count != 0) std::memcpy(buffer.data(), data_.data() + at_, count);
  at_ += count;
  return count;
}

std::size_t FdSource::read(Buffer buffer) { return os::read_some(fd_.get(), buffer, name_); }

void FdSink::write(Bytes data) { os::write_all(fd_.get(), data, name_); }

std::size_t LimitSource::read(Buffer buffer) {
  // One byte beyond the limit is asked for, so that "exactly the limit" and "more" differ.
  std::size_t room = left_ < buffer.size() ? static_cast<std::size_t>(std::min<std::uint64_t>(left_ + 1, buffer.size()))
                                           : buffer.size();
  std::size_t got = inner_->read(buffer.first(room));
  if (got > left_) throw Error(ErrorCode::LimitExceeded, what_ + ": more data than allowed");
  left_ -= got;
  return got;
}

std::size_t TeeSource::read(Buffer buffer) {
  std::size_t got = inner_.read(buffer);
  if (got != 0) copy_.write(buffer.first(got));
  return got;
}

}  // namespace proa::io
