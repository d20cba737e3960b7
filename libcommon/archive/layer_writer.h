// The working half of apply_layer(); nobody else includes this.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>

#include "libcommon/archive/layer_apply.h"
#include "libcommon/archive/parent_cache.h"
#include "libcommon/archive/tar_entry.h"
#include "libcommon/archive/tar_reader.h"

namespace proa::archive {

class LayerWriter {
 public:
  LayerWriter(const os::Dir& root, const ApplyOptions& options);

  void add(TarReader& reader, TarEntry& entry);
  // Attributes of directories: last, since making their entries changed their times and they may be read-only.
  ApplyResult finish();

 private:
  // Where an entry is made: the directory that holds it, open, and its last component.
  struct Place {
    int parent;
    std::string name;
    const std::string& path;  // the whole one, for messages and as key
  };
  struct DirAttributes {
    std::uint32_t mode = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    std::int64_t mtime = 0;
    std::uint32_t mtime_ns = 0;
    bool fresh = false;  // made by this layer: owner and mode are known
  };
  enum class Obstacle { None, Whiteout, Other };

  // Entries (layer_writer.cpp).
  void add_file(const Place& place, TarReader& reader, const TarEntry& entry);
  void write_content(int fd, const Place& place, TarReader& reader, const TarEntry& entry);
  void add_directory(const Place& place, const TarEntry& entry);
  void add_symlink(const Place& place, const TarEntry& entry);
  void add_hard_link(const Place& place, const TarEntry& entry);
  void add_special(const Place& place, const TarEntry& entry);
  void add_device_record(const Place& place, const TarEntry& entry);
  int create_file(const Place& place, mode_t mode);
  // Removes what has the name, whatever it is, without following it.
  Obstacle clear_way(const Place& place);
  // Runs `make` (a system call: 0 or an errno), and again after clearing the way when the name is taken.
  template <typename Make>
  Obstacle make_new(const Place& place, const char* call, Make make);

  // Whiteouts (layer_writer_whiteout.cpp).
  bool add_whiteout(const std::string& path);
  void hide(const std::string& directory, std::string_view name);
  void make_opaque(const std::string& directory);
  void set_opaque(int fd, std::string_view path);
  void remove_untouched(int directory, const std::string& path);
  void touch(int parent, const std::string& name);
  bool touched(const struct stat& info) const;
  bool overlay() const {
    return options_.whiteouts == WhiteoutStyle::OverlayUser || options_.whiteouts == WhiteoutStyle::OverlayTrusted;
  }

  // Attributes (layer_writer_attributes.cpp).
  void check_owner(const TarEntry& entry);
  void set_file_attributes(int fd, const Place& place, const TarEntry& entry);
  void set_special_attributes(int fd, const Place& place, const TarEntry& entry);
  void set_owner(int fd, const Place& place, const TarEntry& entry);
  void set_xattrs(int fd, std::string_view path, const TarEntry& entry);
  void set_directory_attributes(int parent, const std::string& name, const std::string& path,
                                const DirAttributes& wanted);
  void record_owner(int fd, std::string_view path, std::uint32_t uid, std::uint32_t gid);
  bool foreign(const TarEntry& entry) const {
    return entry.uid != own_uid_ || entry.gid != own_gid_ || inherits_group_;
  }
  // `cost` is what the disk loses, `content` what the file gets.
  void account(std::uint64_t cost, std::uint64_t content);
  void check_room_for(const TarEntry& entry) const;

  const os::Dir& root_;
  ApplyOptions options_;
  ParentCache parents_;
  ApplyResult result_;
  std::map<std::string, DirAttributes, std::less<>> directories_;
  std::unordered_set<std::uint64_t> touched_;  // Merge: inodes that this layer made or named
  std::string prefix_;
  mode_t umask_;
  uid_t own_uid_;
  gid_t own_gid_;
  bool inherits_group_;
  std::uint64_t known_uid_ = 0, known_gid_ = 0;  // the last ones that passed the check
  bool checked_ids_ = false;
  bool paths_changed_ = false;
  std::uint64_t unaccounted_ = 0;
};

}  // namespace proa::archive
