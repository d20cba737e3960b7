// Writing a tar stream: ustar headers, and PAX records only for what does not fit into them. Equal entries give equal
// bytes.
#pragma once

#include <cstdint>
#include <string>

#include "libcommon/archive/tar_entry.h"
#include "libcommon/io/stream.h"

namespace proa::archive {

class TarWriter {
 public:
  explicit TarWriter(io::Sink& out) : out_(out) {}

  // The entry's headers. `stored_size` bytes of data must follow (for sparse files: the regions' data, one after
  // another; stored_size is their sum). A directory's path need not end in a slash. Entries other than files carry no
  // data.
  void begin(const TarEntry& entry);
  void write(io::Bytes data);
  void end();  // checks that all data came, pads
  // The end mark: two blocks of zeros. Does not call finish() of the sink.
  void finish();

 private:
  io::Sink& out_;
  std::uint64_t left_ = 0, padding_ = 0;
};

}  // namespace proa::archive
