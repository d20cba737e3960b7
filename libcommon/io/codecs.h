// The codecs behind compression.h; nobody else includes this.
#pragma once

#include <memory>
#include <optional>

#include "libcommon/io/stream.h"

namespace proa::io {

std::unique_ptr<Source> make_gzip_source(std::unique_ptr<Source> inner);
std::unique_ptr<Source> make_zstd_source(std::unique_ptr<Source> inner);
std::unique_ptr<Sink> make_gzip_sink(Sink& inner, std::optional<int> level);
std::unique_ptr<Sink> make_zstd_sink(Sink& inner, std::optional<int> level);

}  // namespace proa::io
