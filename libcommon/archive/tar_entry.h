// One member of a tar archive, as the reader yields it and the writer takes it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace proa::archive {

enum class EntryKind : std::uint8_t { File, HardLink, Symlink, CharDevice, BlockDevice, Directory, Fifo };

struct SparseRegion {
  std::uint64_t offset;
  std::uint64_t size;
  bool operator==(const SparseRegion&) const = default;
};

struct TarEntry {
  EntryKind kind = EntryKind::File;
  std::string path;        // bytes as they are in the archive: no NUL, not empty; nothing else is promised
  std::string link;        // target of hard and symbolic links
  std::uint32_t mode = 0;  // permission and set-id bits
  std::uint64_t uid = 0, gid = 0;
  std::int64_t mtime = 0;  // seconds since 1970, rounded down
  std::uint32_t mtime_ns = 0;
  std::uint32_t dev_major = 0, dev_minor = 0;
  std::uint64_t size = 0;         // of the file
  std::uint64_t stored_size = 0;  // of its data in the archive: less than `size` when sparse
  std::uint64_t offset = 0;       // of its data from the beginning of the archive (reader only)
  bool sparse = false;
  std::vector<SparseRegion> regions;  // when sparse: where the stored data belongs; sorted, apart, within `size`
  std::vector<std::pair<std::string, std::string>> xattrs;
};

}  // namespace proa::archive
