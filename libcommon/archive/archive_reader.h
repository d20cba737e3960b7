// Reading docker-archive and oci-archive files: an index of members by name, nothing is extracted.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/strings.h"
#include "libcommon/io/stream.h"
#include "libcommon/os/file.h"
#include "libcommon/os/unique_fd.h"

namespace proa::archive {

class ArchiveReader {
 public:
  // A seekable plain tar is read in place; what is compressed or no regular file (a pipe) is first copied,
  // decompressed, to a nameless file below `staging`. Only member headers are read here. Throws Corrupt for anything
  // that is no tar.
  static ArchiveReader open(os::UniqueFd file, std::string name, const os::Path& staging);

  // Names as asked for: "./a//b" and "a/b" are one. Symbolic and hard links inside the archive are followed, at
  // most 10.
  bool contains(std::string_view member) const;
  std::uint64_t size(std::string_view member) const;  // NotFound, Corrupt (a link that leads nowhere)
  std::unique_ptr<io::Source> open_member(std::string_view member) const;  // may be used side by side with others
  std::string read_member(std::string_view member, std::uint64_t max_size) const;
  std::vector<std::string> members() const;  // regular files, sorted
  const std::string& name() const { return name_; }

 private:
  struct Member {
    std::uint64_t offset = 0, size = 0;
    std::string link;  // not empty: another member's name
  };
  ArchiveReader(os::UniqueFd file, std::string name);
  void index();
  const Member& resolve(std::string_view member) const;

  std::shared_ptr<const os::UniqueFd> file_;
  std::string name_;
  StringMap<Member> members_;
};

}  // namespace proa::archive
