// Tarballs from outside (root file systems to import, archives to ADD): any compression that people use.
#pragma once

#include <memory>
#include <string_view>

#include "libcommon/io/stream.h"

namespace proa::archive {

// gzip and zstd as io::decompress_any does it; also bzip2, xz and lzma (libarchive's codecs, inside this process: no
// helper program runs). Anything else passes unchanged.
std::unique_ptr<io::Source> decompress_import(std::unique_ptr<io::Source> inner);

// Whether `head` (the first 512 bytes of the decompressed stream) begins a tar archive: a header with a right checksum.
bool looks_like_tar(io::Bytes head);
inline constexpr std::size_t kTarHeadSize = 512;

}  // namespace proa::archive
