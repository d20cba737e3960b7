#include "libcommon/archive/parent_cache.h"

#include <sys/stat.h>

#include <cerrno>

#include "libcommon/archive/entry_path.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::archive {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel's MAXSYMLINKS

}  // namespace

int ParentCache::find(std::string_view path) {
  if (path.empty()) return root_.fd();
  if (last_ >= 0 && path == last_path_) return last_;
  std::string key(path);
  auto known = open_.find(key);
  if (known == open_.end()) {
    auto fd = root_.try_open_in_root(key, O_PATH | O_DIRECTORY);
    if (!fd) return -1;
    if (open_.size() >= kCapacity) clear();
    known = open_.emplace(key, std::move(*fd)).first;
  }
  last_path_ = std::move(key);
  last_ = known->second.get();
  return last_;
}

int ParentCache::open(std::string_view path) {
  int fd = find(path);
  if (fd >= 0) return fd;
  make(std::string(path), 0);
  fd = find(path);
  // What is in the way is no directory and no link to one.
  if (fd < 0) throw system_error("open directory " + escape_control(path) + " of the layer", ENOTDIR);
  return fd;
}

void ParentCache::make(const std::string& path, int depth) {
  if (depth > kMaxLinks) throw system_error("open directory " + escape_control(path) + " of the layer", ELOOP);
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    std::string prefix = path.substr(0, end);
    auto name = split_entry_path(prefix).name;
    if (name.empty() || name == "." || name == "..") continue;
    if (root_.try_open_in_root(prefix, O_PATH | O_DIRECTORY)) continue;
    auto [parent, last] = root_.open_parent_in_root(prefix);
    if (::mkdirat(parent.get(), last.c_str(), 0755) == 0) {
      // The umask must not decide what an image looks like.
      auto made = os::open(last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, parent.get());
      if (::fchmod(made.get(), 0755) != 0) throw system_error("chmod " + escape_control(prefix));
      continue;
    }
    int error = errno;
    struct stat info {};
    const bool is_link = error == EEXIST && ::fstatat(parent.get(), last.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                         S_ISLNK(info.st_mode);
    if (!is_link)
      throw system_error("mkdir " + escape_control(prefix) + " in the layer", error == EEXIST ? ENOTDIR : error);
    std::string target = os::read_link(last, parent.get());
    if (!target.starts_with('/')) target = std::string(split_entry_path(prefix).parent) + "/" + target;
    make(target, depth + 1);
  }
}

void ParentCache::clear() {
  open_.clear();
  last_ = -1;
}

}  // namespace proa::archive
