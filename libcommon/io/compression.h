// gzip and zstd as streams. gzip is read by isa-l (2 to 3 times zlib's speed); both codecs accept several members or
// frames. Truncated streams, wrong checksums, trailing garbage and zstd windows above 128 MiB throw Corrupt.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "libcommon/io/stream.h"

namespace proa::io {

enum class Compression { None, Gzip, Zstd };

// By magic number; needs 4 bytes to know zstd, fewer count as None.
Compression detect_compression(Bytes head);
std::string_view compression_name(Compression compression);  // "", "gzip", "zstd"

// The first `count` bytes (fewer at the end of the stream), and a source that still has them.
std::pair<std::unique_ptr<Source>, std::string> peek(std::unique_ptr<Source> inner, std::size_t count);

// Reads from `inner` (owned) and yields plain bytes.
std::unique_ptr<Source> decompress(std::unique_ptr<Source> inner, Compression compression);
// The same after looking at the first bytes.
std::unique_ptr<Source> decompress_any(std::unique_ptr<Source> inner);

// Level: nullopt is the codec's default. The gzip header holds no name and no time: equal input gives equal output.
std::unique_ptr<Sink> compress(Sink& inner, Compression compression, std::optional<int> level = std::nullopt);

}  // namespace proa::io
