// Puts selected sources into a root. Destinations are resolved inside that root; an entry is made by its last component
// only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/os/dir.h"
#include "libcommon/os/idmap.h"
#include "tools/build/containerfile/mode.h"
#include "tools/build/steps/source_tree.h"

namespace proa::build {

struct Ownership {
  std::uint32_t uid = 0, gid = 0;
};

// Gives files to their owners; with one mapped id the owner is noted in an attribute that layer making reads.
class Owner {
 public:
  // nullopt: files keep the owner they have in their tree; folders made on the way are root's.
  Owner(os::IdMode mode, std::optional<Ownership> ids) : mode_(mode), ids_(ids) {}
  // `fd`: file or folder; an O_PATH descriptor is fine. `source`: the file it is a copy of, or -1.
  void apply(int fd, const std::string& path, int source = -1) const;
  void apply_link(int parent_fd, const std::string& name, const struct stat& source) const;
  bool keeps() const { return !ids_; }
  // "12", "12:34": no file of the image tells what it means.
  static bool is_number(std::string_view text) {
    return text.find_first_not_of("0123456789:") == std::string_view::npos;
  }

 private:
  os::IdMode mode_;
  std::optional<Ownership> ids_;
};

struct CopyRequest {
  std::string destination;   // absolute inside the root
  bool into_folder = false;  // the destination was written with a trailing slash, or there are several sources
  Owner owner;
  std::optional<ModeChange> mode;
  IgnoreRules excludes;
};

class CopyFiles {
 public:
  CopyFiles(const os::Dir& root, const CopyRequest& request) : root_(root), request_(request) {}

  // A folder's contents, or a file.
  void copy(const SourceTree& tree, const Source& source);
  // The same below the destination at the path `kept` (--parents); folders on the way are copies of the tree's.
  void copy_kept(const SourceTree& tree, const Source& source, const std::string& kept);
  // A file made of text (a here-document).
  void write(const std::string& name, std::string_view content);
  // The folder that the destination is, made when missing; for archives to be unpacked.
  os::UniqueFd destination_folder();

 private:
  struct Place {
    os::UniqueFd parent;
    std::string name;
  };
  Place place_for_file(const std::string& base_name);
  mode_t mode_of(mode_t mode, bool folder) const;
  os::UniqueFd make_folder(const std::string& path, mode_t mode = 0755, int source = -1);
  void copy_folder(const SourceTree& tree, const Source& source, const std::string& destination);
  void copy_entry(const SourceTree& tree, const TreeEntry& entry, const std::string& source_path, const Place& place);
  void clear(const Place& place) const;
  void finish(int fd, const std::string& path, mode_t mode, int source = -1) const;
  void copy_attributes(int from, int to, const std::string& path) const;

  const os::Dir& root_;
  const CopyRequest& request_;
};

}  // namespace proa::build
