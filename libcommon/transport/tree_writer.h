// Files written by name into a directory or a tar, all or none: they appear in commit().
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "libcommon/os/unique_fd.h"
#include "libcommon/transport/transport.h"

namespace proa::transport {

// Reads `content` to its end into `sink`; checks it against digest and size of the plan where it has them (Corrupt).
StoredBlob store_content(const BlobPlan& plan, io::Source& content, io::Sink& sink, std::stop_token stop);

class TreeWriter {
 public:
  using PathOf = std::function<std::string(const oci::Digest&)>;

  virtual ~TreeWriter() = default;  // without commit(): nothing stays

  // Writes a blob to the path that its digest tells in the end. A file of that path that is there already is left as it
  // is. Directories: from several threads at once; archives take one after the other.
  virtual StoredBlob put_blob(const BlobPlan& plan, io::Source& content, const PathOf& path_of,
                              std::stop_token stop) = 0;
  // In commit() these appear after all blobs, in the order given.
  virtual void put_text(const std::string& path, std::string_view text) = 0;
  // A symbolic link with a relative target.
  virtual void put_link(const std::string& path, const std::string& target) = 0;
  virtual bool has(const std::string& path) const = 0;  // put here, or there before
  virtual void commit() = 0;
};

// Makes the directory when it is absent. Stages in a folder of it that is swept by the next writer if we are killed.
std::unique_ptr<TreeWriter> make_directory_writer(const std::string& path);

// Replaces the file at `path` in commit(). What is no regular file (a pipe, /dev/stdout) gets the whole archive in
// commit().
std::unique_ptr<TreeWriter> make_tar_writer(const std::string& path);
// The whole archive is handed over in commit(), as a nameless file at its beginning.
using TakeArchive = std::function<void(os::UniqueFd archive, std::uint64_t size)>;
std::unique_ptr<TreeWriter> make_tar_writer(TakeArchive take);

}  // namespace proa::transport
