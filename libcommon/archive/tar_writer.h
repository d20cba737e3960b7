// Writing a tar stream: ustar headers, and PAX records only for what does not fit into them. Equal entries give equal
// bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "libcommon/archive/tar_entry.h"
#include "libcommon/io/stream.h"

namespace proa::archive {

class TarWriter {
 public:
  explicit TarWriter(io::Sink& out) : out_(out) { buffer_.reserve(io::kBufferSize); }

  // The entry's headers. `stored_size` bytes of data must follow (for sparse files: the regions' data, one after
  // another; stored_size is their sum). A directory's path need not end in a slash. Entries other than files carry no
  // data.
  void begin(const TarEntry& entry);
  void write(io::Bytes data);
  void end();  // checks that all data came, pads
  // The end mark: two blocks of zeros; before it, data may still sit in our buffer. Does not call finish() of the sink.
  void finish();

 private:
  void emit(io::Bytes data);
  void emit_zeros(std::uint64_t count);
  void flush();

  io::Sink& out_;
  std::vector<std::byte> buffer_;  // headers and small files would be a sink's write each
  std::uint64_t left_ = 0, padding_ = 0;
};

}  // namespace proa::archive
