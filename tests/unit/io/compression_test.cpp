#include "libcommon/io/compression.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include "libcommon/base/error.h"

namespace proa::io {
namespace {

// Yields a few bytes at a time, so that every state of a codec meets the end of a buffer.
class SlowSource final : public Source {
 public:
  SlowSource(std::string data, std::size_t step) : data_(std::move(data)), step_(step) {}
  std::size_t read(Buffer buffer) override { return data_.read(buffer.first(std::min(buffer.size(), step_))); }

 private:
  MemorySource data_;
  std::size_t step_;
};

std::string sample(std::size_t size) {
  std::string text;
  unsigned state = 7;
  while (text.size() < size) {
    state = state * 1103515245 + 12345;
    text += (state >> 16) % 3 == 0 ? "layer " : std::string(1, static_cast<char>(state >> 24));
  }
  return text;
}

std::string packed(std::string_view data, Compression compression, std::optional<int> level = std::nullopt) {
  StringSink out;
  auto sink = compress(out, compression, level);
  sink->write(as_bytes(data));
  sink->finish();
  return out.text();
}

std::string unpacked(std::string data, Compression compression, std::size_t step = 1 << 20) {
  auto source = decompress(std::make_unique<SlowSource>(std::move(data), step), compression);
  return read_all(*source, 1u << 30, "test");
}

ErrorCode unpack_error(std::string data, Compression compression) {
  for (std::size_t step : {std::size_t{1}, std::size_t{1} << 20}) {
    try {
      unpacked(data, compression, step);
      return ErrorCode::Internal;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::Corrupt) return error.code();
    }
  }
  return ErrorCode::Corrupt;
}

class Codec : public testing::TestWithParam<Compression> {};
INSTANTIATE_TEST_SUITE_P(All, Codec, testing::Values(Compression::Gzip, Compression::Zstd),
                         [](const auto& codec) { return std::string(compression_name(codec.param)); });

TEST_P(Codec, RoundTripInPiecesOfAnySize) {
  for (std::size_t size : {0u, 1u, 70000u, 1000000u}) {
    std::string data = sample(size);
    std::string small = packed(data, GetParam());
    EXPECT_EQ(detect_compression(as_bytes(small)), GetParam());
    for (std::size_t step : {1u, 3u, 4096u, 1u << 20}) {
      if (step == 1 && size > 100000) continue;
      EXPECT_EQ(unpacked(small, GetParam(), step), data) << size << " bytes by " << step;
    }
  }
}

TEST_P(Codec, EqualInputGivesEqualOutput) {
  EXPECT_EQ(packed(sample(50000), GetParam()), packed(sample(50000), GetParam()));
}

TEST_P(Codec, SeveralMembersAreOneStream) {
  std::string joined = packed("one ", GetParam()) + packed("", GetParam()) + packed(sample(300000), GetParam());
  for (std::size_t step : {1u, 7u, 1u << 20}) EXPECT_EQ(unpacked(joined, GetParam(), step), "one " + sample(300000));
}

TEST_P(Codec, EveryTruncationIsCorrupt) {
  std::string small = packed(sample(2000), GetParam());
  for (std::size_t length = 0; length < small.size(); ++length) {
    ASSERT_EQ(unpack_error(small.substr(0, length), GetParam()), ErrorCode::Corrupt) << "cut at " << length;
  }
}

TEST_P(Codec, TrailingGarbageIsCorrupt) {
  std::string small = packed(sample(2000), GetParam());
  for (std::string_view garbage : {"x", "trailing junk", "\x1f\x8b", "\x1f"}) {
    EXPECT_EQ(unpack_error(small + std::string(garbage), GetParam()), ErrorCode::Corrupt) << garbage;
  }
  EXPECT_EQ(unpack_error(small + std::string(512, '\0'), GetParam()), ErrorCode::Corrupt);
}

TEST_P(Codec, NoFlippedBitPassesUnseen) {
  const std::string data = sample(300);
  const std::string small = packed(data, GetParam());
  for (std::size_t at = 0; at < small.size(); ++at) {
    std::string broken = small;
    broken[at] = static_cast<char>(broken[at] ^ 0x10);
    try {
      // Header bytes without meaning for the content (time, operating system) may change.
      ASSERT_EQ(unpacked(broken, GetParam()), data) << "byte " << at;
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::Corrupt);
    }
  }
}

TEST(Gzip, TrailerIsChecked) {
  std::string small = packed("content", Compression::Gzip);
  for (std::size_t back : {1u, 5u}) {  // a byte of the length, a byte of the CRC
    std::string broken = small;
    broken[broken.size() - back] = static_cast<char>(broken[broken.size() - back] ^ 1);
    EXPECT_EQ(unpack_error(broken, Compression::Gzip), ErrorCode::Corrupt);
  }
}

TEST(Gzip, OptionalHeaderFieldsAreReadWhereverTheInputIsCut) {
  std::string small = packed("content", Compression::Gzip);
  std::string header = small.substr(0, 10);
  header[3] = 2 | 4 | 8 | 16;
  header += std::string("\3\0abc", 5) + std::string("name\0", 5) + std::string("comment\0", 8);
  auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(header.data()), static_cast<uInt>(header.size()));
  std::string full = header + static_cast<char>(crc & 0xff) + static_cast<char>(crc >> 8 & 0xff) + small.substr(10);
  for (std::size_t step : {1u, 2u, 7u, 1000u}) {
    EXPECT_EQ(unpacked(full, Compression::Gzip, step), "content");
    EXPECT_EQ(unpacked(full + full, Compression::Gzip, step), "contentcontent");
  }
  full[header.size()] ^= 1;
  EXPECT_EQ(unpack_error(full, Compression::Gzip), ErrorCode::Corrupt);
  small[3] = '\x20';  // reserved
  EXPECT_EQ(unpack_error(small, Compression::Gzip), ErrorCode::Corrupt);
}

TEST(Gzip, HeaderHoldsNeitherTimeNorName) {
  std::string small = packed("content", Compression::Gzip);
  EXPECT_EQ(small.substr(3, 5), std::string(5, '\0'));
}

TEST(Gzip, LevelsOutsideTheRangeAreRefused) {
  StringSink out;
  for (int level : {0, -1, 10}) EXPECT_THROW(compress(out, Compression::Gzip, level), Error);
  EXPECT_THROW(compress(out, Compression::Zstd, 99), Error);
}

TEST(Zstd, WindowBeyond128MiBIsRefused) {
  // A frame header that asks for a 2 GiB window (RFC 8878, 3.1.1.1.2: exponent 21), then an empty last block.
  std::string frame("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9);
  EXPECT_EQ(unpack_error(frame, Compression::Zstd), ErrorCode::Corrupt);
}

TEST(Zstd, SkippableFramesAreSkipped) {
  std::string skippable("\x50\x2a\x4d\x18\x03\0\0\0abc", 11);
  EXPECT_EQ(detect_compression(as_bytes(skippable)), Compression::Zstd);
  std::string stream = skippable + packed("content", Compression::Zstd) + skippable;
  for (std::size_t step : {1u, 1000u}) EXPECT_EQ(unpacked(stream, Compression::Zstd, step), "content");
}

TEST(Compression, PlainDataPassesDetectionUnchanged) {
  for (std::string_view text : {"", "a", "abc", "plain text"}) {
    auto source = decompress_any(std::make_unique<MemorySource>(std::string(text)));
    EXPECT_EQ(read_all(*source, 100, "test"), text);
  }
}

TEST(Compression, BombMeetsTheLimitWithFlatMemory) {
  NullSink nowhere;
  StringSink bomb;
  auto sink = compress(bomb, Compression::Gzip, 1);
  std::string zeros(1 << 20, '\0');
  for (int i = 0; i < 64; ++i) sink->write(as_bytes(zeros));
  sink->finish();
  ASSERT_LT(bomb.text().size(), 1u << 20);
  LimitSource limited(decompress_any(std::make_unique<MemorySource>(bomb.text())), 10 << 20, "layer");
  try {
    copy(limited, nowhere);
    FAIL() << "the limit did not hold";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::LimitExceeded);
  }
}

}  // namespace
}  // namespace proa::io
