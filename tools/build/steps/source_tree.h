// Where COPY and ADD take files from: the build context, or the root of a stage or image. Everything is opened below
// the root's descriptor; links stay inside it.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "libcommon/os/dir.h"
#include "tools/build/containerfile/ignore.h"

namespace proa::build {

// A file as it was when its content was digested. Kernel times tell any change of content, mode or owner since then.
struct FileStamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  struct timespec changed {};
  static FileStamp of(const struct stat& st);
  bool operator==(const FileStamp& other) const;
};

// One thing that a source names: a file, a folder or a link that leads to one of these.
struct Source {
  os::UniqueFd fd;   // O_PATH, links followed
  std::string path;  // in the tree, as named, without a leading slash; "" is the root
  struct stat st {};
  std::string base_name() const;
  bool is_folder() const { return S_ISDIR(st.st_mode); }
};

// One entry below a source, parents before children, in the order of bytes.
struct TreeEntry {
  int parent_fd;
  std::string name;
  std::string relative;  // to the source; "" is the source itself
  struct stat st;
};

// The entry that stands for a source which is no folder.
TreeEntry entry_of(const Source& source);

// What "**" of a pattern means: as "*", or any number of folders.
enum class Stars { Names, Folders };

bool is_pattern(std::string_view text);

class SourceTree {
 public:
  // `name` is for messages: "the build context", "stage build".
  SourceTree(os::Dir root, IgnoreRules rules, std::string name);

  // What a path or pattern of COPY names. A path that leads to nothing (or to what is ignored) throws NotFound; a
  // pattern may fit nothing.
  std::vector<Source> select(const std::string& pattern, Stars stars = Stars::Names) const;
  // Visits what is below a folder, without what is ignored or excluded. Sockets and devices throw.
  void walk(const Source& folder, const IgnoreRules& excludes,
            const std::function<void(const TreeEntry&)>& visit) const;
  // A digest over names, types, modes, link targets and contents (no times, no owners) of a source.
  std::string digest(const Source& source, const IgnoreRules& excludes);
  // "sha256:..." of a file's content.
  std::string content_digest(const Source& source) { return file_digest(entry_of(source), source.path); }
  // Opens for reading. Afterwards (or before) check() throws when it is no longer what digest() saw.
  os::UniqueFd open_file(const TreeEntry& entry) const;
  void check(int fd, const std::string& path) const;

  // Opens the root anew by its path, in another mount namespace. Throws when something else is there now.
  void reopen();
  const os::Dir& root() const { return root_; }
  const std::string& name() const { return name_; }
  // Whether some of its files are left out.
  bool filters() const { return !rules_.empty(); }
  const IgnoreRules& rules() const { return rules_; }

 private:
  std::vector<std::string> expand_pattern(const std::string& pattern, Stars stars) const;
  void add_folders_below(std::vector<std::string>& paths) const;
  bool hidden(const Source& source) const;
  std::string file_digest(const TreeEntry& entry, const std::string& path);

  os::Dir root_;
  IgnoreRules rules_;
  std::string name_;
  std::map<std::string, FileStamp> stamps_;
};

}  // namespace proa::build
