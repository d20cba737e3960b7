// Archives that a user hands in.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "libcommon/io/stream.h"
#include "libcommon/os/process.h"
#include "libcommon/os/unique_fd.h"

namespace proa::engine {

// The plain bytes of an archive that may be compressed (gzip, zstd, xz, bzip2): `proa-copy` takes compression away, so
// that this program needs no codecs. For single-threaded programs.
class TarInput {
 public:
  // `name` is for error texts.
  TarInput(os::UniqueFd input, const std::string& name);

  io::Source& source() { return *source_; }
  // After the end was read: throws Corrupt when the compressed data was not whole. Readers of archives are confined
  // threads that may not wait for a process.
  void finish();

 private:
  void decompress(os::UniqueFd input, const std::string& head);

  std::unique_ptr<io::Source> source_;
  std::optional<os::Child> pump_, unpacker_;
};

// A file, or "-" for standard input, which must be no terminal.
os::UniqueFd open_archive_file(const std::string& path);

}  // namespace proa::engine
