// Files read by name, from a directory or from a tar: what oci:, oci-archive:, docker-archive: and dir: are made of.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "libcommon/io/stream.h"
#include "libcommon/os/unique_fd.h"

namespace proa::transport {

// Names are relative, with single slashes. Thread-safe. Contents are not verified: what is read by digest is wrapped by
// ImageSource.
class FileTree {
 public:
  virtual ~FileTree() = default;

  virtual std::string name() const = 0;  // for messages
  // Regular files only; nullopt when there is no such file. A FIFO, device or socket is Corrupt, and never read.
  virtual std::optional<std::uint64_t> size(const std::string& file) const = 0;
  virtual std::unique_ptr<io::Source> try_open(const std::string& file) const = 0;  // null: no such file
  std::unique_ptr<io::Source> open(const std::string& file) const;                  // throws NotFound
  std::string read(const std::string& file, std::uint64_t max_size) const;
  bool has(const std::string& file) const { return size(file).has_value(); }
};

std::unique_ptr<FileTree> open_directory_tree(const std::string& path);

// Reads the table of contents once. Compressed archives, and those that come through a pipe, are first written to a
// nameless temporary file in $TMPDIR or /var/tmp. Symbolic and hard links between members are followed inside the
// archive, as old `docker save` makes them.
std::unique_ptr<FileTree> open_tar_tree(const std::string& path);
// The same for a descriptor, as standard input; `name` is for messages.
std::unique_ptr<FileTree> open_tar_tree(os::UniqueFd file, const std::string& name);

}  // namespace proa::transport
