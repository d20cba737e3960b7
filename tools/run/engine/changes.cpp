#include "tools/run/engine/changes.h"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "libcommon/os/xattr.h"

namespace proa::engine {
namespace {

class Walker {
 public:
  Walker(const os::Dir& upper, const os::Dir& lower, const std::vector<std::string>& hidden)
      : upper_(upper), lower_(lower), hidden_(hidden.begin(), hidden.end()) {}

  std::vector<Change> run() {
    walk("");
    return std::move(changes_);
  }

 private:
  // Kernel documentation, overlayfs: whiteouts are devices 0:0, or empty files with an attribute (Linux 6.7).
  static bool is_whiteout(int folder, const std::string& name, const struct stat& info) {
    if (S_ISCHR(info.st_mode)) return info.st_rdev == 0;
    if (!S_ISREG(info.st_mode) || info.st_size != 0) return false;
    const auto file = os::open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0, folder);
    return os::get_xattr(file.get(), "user.overlay.whiteout") || os::get_xattr(file.get(), "trusted.overlay.whiteout");
  }

  static bool is_opaque(int folder) {
    return os::get_xattr(folder, "user.overlay.opaque") == "y" ||
           os::get_xattr(folder, "trusted.overlay.opaque") == "y";
  }

  bool below(const std::string& path) const { return lower_.try_open_in_root(path, O_PATH | O_NOFOLLOW).has_value(); }

  void walk(const std::string& folder) {
    const auto fd = upper_.open_in_root(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    const auto names = os::list_dir(fd.get(), folder);
    if (!folder.empty() && is_opaque(fd.get())) add_replaced(folder, names);
    for (const auto& name : names) {
      const std::string path = folder + "/" + name;
      const struct stat info = os::stat(name, fd.get());
      const bool folder_here = S_ISDIR(info.st_mode);
      const bool hides = hidden_.contains(path);
      if (is_whiteout(fd.get(), name, info)) {
        if (!hides) changes_.push_back({'D', path});
      } else {
        if (!hides) changes_.push_back({below(path) ? 'C' : 'A', path});
        if (folder_here) walk(path);
      }
    }
  }

  // A folder that was removed and made again: what it does not have any more.
  void add_replaced(const std::string& folder, const std::vector<std::string>& names) {
    const auto before = lower_.try_open_in_root(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!before) return;
    for (const auto& name : os::list_dir(before->get(), folder)) {
      if (!std::binary_search(names.begin(), names.end(), name)) changes_.push_back({'D', folder + "/" + name});
    }
  }

  const os::Dir& upper_;
  const os::Dir& lower_;
  std::set<std::string> hidden_;
  std::vector<Change> changes_;
};

}  // namespace

std::vector<Change> find_changes(const os::Dir& upper, const os::Dir& lower, const std::vector<std::string>& hidden) {
  return Walker(upper, lower, hidden).run();
}

}  // namespace proa::engine
