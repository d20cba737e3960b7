// The only two streams of proa. Digests, limits, codecs and progress are wrappers around them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/os/unique_fd.h"

namespace proa::io {

using Bytes = std::span<const std::byte>;
using Buffer = std::span<std::byte>;

// What copies and codecs move at once: large enough that a system call or a virtual call costs nothing per byte, small
// enough to stay in the second-level cache.
inline constexpr std::size_t kBufferSize = 256 * 1024;

inline Bytes as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

class Source {
 public:
  virtual ~Source() = default;
  // At least one byte unless the stream is at its end (0) or the buffer is empty. Throws on broken data; a source that
  // verifies throws at the latest where it would have returned 0.
  virtual std::size_t read(Buffer buffer) = 0;
};

class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(Bytes data) = 0;  // all of it
  // No more data comes; flushes and passes on. Call once; without it the data is incomplete on purpose.
  virtual void finish() {}
};

// Moves everything; returns the number of bytes. Does not call finish().
std::uint64_t copy(Source& from, Sink& to);
// Everything as one string; LimitExceeded beyond `max_size`.
std::string read_all(Source& source, std::uint64_t max_size, std::string_view what);
// Exactly buffer.size() bytes, or fewer at the end of the stream.
std::size_t read_full(Source& source, Buffer buffer);

class MemorySource final : public Source {
 public:
  explicit MemorySource(std::string data) : data_(std::move(data)) {}
  std::size_t read(Buffer buffer) override;

 private:
  std::string data_;
  std::size_t at_ = 0;
};

class StringSink final : public Sink {
 public:
  void write(Bytes data) override { text_.append(as_text(data)); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

class NullSink final : public Sink {
 public:
  void write(Bytes) override {}
};

// Reads a descriptor that it owns. `name` is for error texts.
class FdSource final : public Source {
 public:
  FdSource(os::UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  std::size_t read(Buffer buffer) override;

 private:
  os::UniqueFd fd_;
  std::string name_;
};

class FdSink final : public Sink {
 public:
  FdSink(os::UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  void write(Bytes data) override;
  int fd() const { return fd_.get(); }
  os::UniqueFd take() && { return std::move(fd_); }

 private:
  os::UniqueFd fd_;
  std::string name_;
};

// Passes data on and counts it; LimitExceeded when more than `limit` bytes come.
class LimitSource final : public Source {
 public:
  LimitSource(std::unique_ptr<Source> inner, std::uint64_t limit, std::string what)
      : inner_(std::move(inner)), left_(limit), what_(std::move(what)) {}
  std::size_t read(Buffer buffer) override;

 private:
  std::unique_ptr<Source> inner_;
  std::uint64_t left_;
  std::string what_;
};

// Copies everything that is read into a sink as well (which it does not own).
class TeeSource final : public Source {
 public:
  TeeSource(Source& inner, Sink& copy) : inner_(inner), copy_(copy) {}
  std::size_t read(Buffer buffer) override;

 private:
  Source& inner_;
  Sink& copy_;
};

}  // namespace proa::io
