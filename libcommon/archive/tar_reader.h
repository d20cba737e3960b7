// Reading a tar stream, strictly. One reader of our own instead of libarchive's, because what must be refused (numbers
// that are no numbers, sizes that contradict each other, endless sparse maps, NULs) is no longer visible behind a
// library, and a checker in front of it would be a second reader that may disagree with the first one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/archive/pax.h"
#include "libcommon/archive/tar_entry.h"
#include "libcommon/archive/tar_format.h"
#include "libcommon/io/stream.h"

namespace proa::archive {

// v7, ustar, star, GNU (long names, both ways of sparse files) and PAX archives. Throws Corrupt for anything malformed,
// truncated, ambiguous or followed by other data; Unsupported for GNU's multi-volume and incremental types.
class TarReader {
 public:
  // Passes over that many bytes of the input without reading them.
  using Skip = std::function<void(std::uint64_t)>;
  explicit TarReader(io::Source& input, Skip skip = {});

  // False at the end of the archive, after the input was read to its end. What was left of the previous entry's data is
  // passed over. `entry` is overwritten; its strings are reused.
  bool next(TarEntry& entry);
  // The next piece of the entry's stored data, valid until the next call; empty at its end.
  io::Bytes data();

 private:
  // Headers before an entry that describe it.
  struct Extras {
    std::optional<PaxRecords> pax;
    std::optional<std::string> gnu_path, gnu_link;
  };

  bool fill(std::size_t count);
  std::optional<TarHeader> next_header();
  void pass_over(std::uint64_t count);
  void read_to_end();
  std::string read_extra(const TarHeader& header);
  bool read_extra_header(const TarHeader& header, Extras& extras);
  void describe(const TarHeader& header, Extras extras, TarEntry& entry);
  void set_names(const TarHeader& header, Extras& extras, TarEntry& entry);
  void set_numbers(const TarHeader& header, const Extras& extras, TarEntry& entry);
  void set_sparse_gnu(const TarHeader& header, TarEntry& entry);
  void set_sparse_pax(PaxRecords& pax, TarEntry& entry);
  void read_sparse_map_1_0(TarEntry& entry);
  void check_sparse(const TarEntry& entry) const;
  std::int64_t number(const TarHeader& header, Field f, const char* what) const;
  std::uint64_t position() const { return consumed_ + begin_; }
  [[noreturn]] void corrupt(const std::string& what) const;

  io::Source& input_;
  Skip skip_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // what is read but not used
  std::uint64_t consumed_ = 0;       // bytes that left the buffer
  bool input_ended_ = false, finished_ = false;
  std::uint64_t left_ = 0, padding_ = 0;  // of the present entry's data
};

}  // namespace proa::archive
