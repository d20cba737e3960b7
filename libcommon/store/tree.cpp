#include "libcommon/store/tree.h"

#include <fmt/core.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <climits>

#include "libcommon/base/error.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/os/dir.h"

namespace proa::store {
namespace {

// Type-dependent part of an entry: what lstat does not compare by itself.
std::string detail_of(const struct stat& info, int dir, const std::string& name) {
  if (S_ISREG(info.st_mode)) return std::to_string(info.st_size);
  if (S_ISLNK(info.st_mode)) return os::read_link(name, dir);
  if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode))
    return fmt::format("{}:{}", major(info.st_rdev), minor(info.st_rdev));
  return {};
}

class Summarizer {
 public:
  void directory(int dir, const std::string& path) {
    for (const std::string& name : os::list_dir(dir, path)) {
      std::string entry_path = path + "/" + name;
      struct stat info = os::stat(name, dir);
      entry(info, entry_path, detail_of(info, dir, name));
      if (S_ISDIR(info.st_mode)) {
        directory(os::open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, dir).get(), entry_path);
      }
    }
  }

  TreeSummary finish() {
    result_.fingerprint = hasher_.finish().str();
    return std::move(result_);
  }

 private:
  void entry(const struct stat& info, const std::string& path, const std::string& detail) {
    ++result_.entries;
    if (S_ISREG(info.st_mode)) result_.size += static_cast<std::uint64_t>(info.st_size);
    // NUL ends the two parts that may hold any other byte.
    std::string line = fmt::format("{:o} {} {} {}.{} {}", info.st_mode, info.st_uid, info.st_gid, info.st_mtim.tv_sec,
                                   info.st_mtim.tv_nsec, detail);
    line += '\0';
    line += path;
    line += '\0';
    hasher_.update(io::as_bytes(line));
  }

  TreeSummary result_;
  io::Hasher hasher_;
};

}  // namespace

TreeSummary summarize_tree(int dir, const os::Path& name) {
  While looking{[&] { return "reading layer directory " + name; }};
  Summarizer summarizer;
  summarizer.directory(dir, "");
  return summarizer.finish();
}

}  // namespace proa::store
