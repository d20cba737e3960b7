#include "libcommon/io/compression.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "libcommon/base/error.h"
#include "libcommon/io/codecs.h"

namespace proa::io {
namespace {

// Gives back bytes that were read ahead.
class PrefixedSource final : public Source {
 public:
  PrefixedSource(std::string prefix, std::unique_ptr<Source> rest)
      : prefix_(std::move(prefix)), rest_(std::move(rest)) {}
  std::size_t read(Buffer buffer) override {
    std::size_t got = prefix_.read(buffer);
    return got != 0 ? got : rest_->read(buffer);
  }

 private:
  MemorySource prefix_;
  std::unique_ptr<Source> rest_;
};

class PlainSink final : public Sink {
 public:
  explicit PlainSink(Sink& inner) : inner_(inner) {}
  void write(Bytes data) override { inner_.write(data); }
  void finish() override { inner_.finish(); }

 private:
  Sink& inner_;
};

bool has_prefix(Bytes head, std::initializer_list<unsigned char> magic) {
  return head.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), head.begin(), [](auto a, auto b) { return std::byte{a} == b; });
}

}  // namespace

Compression detect_compression(Bytes head) {
  if (has_prefix(head, {0x1f, 0x8b, 0x08})) return Compression::Gzip;        // RFC 1952, 2.3
  if (has_prefix(head, {0x28, 0xb5, 0x2f, 0xfd})) return Compression::Zstd;  // RFC 8878, 3.1.1
  // A skippable frame first (0x184D2A5?), RFC 8878, 3.1.2: zstd:chunked and pzstd write those.
  if (head.size() >= 4 && (head[0] & std::byte{0xf0}) == std::byte{0x50} && head[1] == std::byte{0x2a} &&
      head[2] == std::byte{0x4d} && head[3] == std::byte{0x18}) {
    return Compression::Zstd;
  }
  return Compression::None;
}

std::string_view compression_name(Compression compression) {
  switch (compression) {
    case Compression::None:
      return "";
    case Compression::Gzip:
      return "gzip";
    case Compression::Zstd:
      return "zstd";
  }
  PROA_CHECK(!"known compression");
}

std::pair<std::unique_ptr<Source>, std::string> peek(std::unique_ptr<Source> inner, std::size_t count) {
  std::string head(count, '\0');
  head.resize(read_full(*inner, std::as_writable_bytes(std::span(head.data(), head.size()))));
  return {std::make_unique<PrefixedSource>(head, std::move(inner)), head};
}

std::unique_ptr<Source> decompress(std::unique_ptr<Source> inner, Compression compression) {
  switch (compression) {
    case Compression::None:
      return inner;
    case Compression::Gzip:
      return make_gzip_source(std::move(inner));
    case Compression::Zstd:
      return make_zstd_source(std::move(inner));
  }
  PROA_CHECK(!"known compression");
}

std::unique_ptr<Source> decompress_any(std::unique_ptr<Source> inner) {
  auto [source, head] = peek(std::move(inner), 4);
  return decompress(std::move(source), detect_compression(as_bytes(head)));
}

std::unique_ptr<Sink> compress(Sink& inner, Compression compression, std::optional<int> level) {
  switch (compression) {
    case Compression::None:
      return std::make_unique<PlainSink>(inner);
    case Compression::Gzip:
      return make_gzip_sink(inner, level);
    case Compression::Zstd:
      return make_zstd_sink(inner, level);
  }
  PROA_CHECK(!"known compression");
}

}  // namespace proa::io
