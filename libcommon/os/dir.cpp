#include "libcommon/os/dir.h"

#include <dirent.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::os {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel's MAXSYMLINKS

int openat2_in_root(int root, const Path& path, int flags, mode_t mode) {
  struct open_how how {};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  // openat2 refuses a mode where nothing is created.
  how.mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? mode : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  long fd;
  int tries = 0;
  do {
    fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    // EAGAIN: something was renamed while ".." was resolved; the kernel could not tell whether it stayed inside.
  } while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 1000)));
  return static_cast<int>(fd);
}

// Linux before 5.6 and seccomp filters that refuse openat2: walks by single components that are never followed by the
// kernel.
class Walker {
 public:
  Walker(int root, const Path& path) : root_(root) { queue(path); }

  // Opens everything but the last component; then the caller's flags apply to that one.
  UniqueFd open(int flags, mode_t mode) {
    bool follow_last = (flags & O_NOFOLLOW) == 0;
    while (true) {
      std::string name;
      do {
        if (pending_.empty()) return UniqueFd(::openat(here(), ".", (flags & ~(O_CREAT | O_EXCL)) | O_CLOEXEC, mode));
        name = std::move(pending_.back());
        pending_.pop_back();
      } while (name.empty() || name == ".");
      if (name == "..") {
        if (!stack_.empty()) stack_.pop_back();
        continue;
      }
      bool last = std::all_of(pending_.begin(), pending_.end(), [](const auto& p) { return p.empty() || p == "."; });
      UniqueFd entry(::openat(here(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
      struct stat info {};
      if (entry.valid() && ::fstat(entry.get(), &info) == 0 && S_ISLNK(info.st_mode) && (!last || follow_last)) {
        follow(name);
        continue;
      }
      if (last && pending_.empty())
        return UniqueFd(::openat(here(), name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, mode));
      if (!entry.valid()) return entry;
      if (!S_ISDIR(info.st_mode)) {
        errno = ENOTDIR;
        return UniqueFd();
      }
      stack_.push_back(std::move(entry));
    }
  }

 private:
  int here() const { return stack_.empty() ? root_ : stack_.back().get(); }
  void queue(const std::string& path) {
    auto parts = split(path, '/');
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) pending_.push_back(std::move(*part));
  }
  void follow(const std::string& name) {
    if (++links_ > kMaxLinks) throw system_error("resolve " + name, ELOOP);
    std::string target = read_link(name, here());
    if (target.starts_with('/')) stack_.clear();
    queue(target);
  }

  int root_;
  int links_ = 0;
  std::vector<UniqueFd> stack_;
  std::vector<std::string> pending_;  // last one first
};

int resolve(int root, const Path& path, int flags, mode_t mode) {
  static const bool have_openat2 = [] {
    int fd = openat2_in_root(AT_FDCWD, ".", O_PATH, 0);
    if (fd >= 0) ::close(fd);
    return fd >= 0 || (errno != ENOSYS && errno != EPERM);
  }();
  if (have_openat2) return openat2_in_root(root, path, flags, mode);
  return Walker(root, path).open(flags, mode).release();
}

}  // namespace

Dir Dir::open(const Path& path, int at) { return Dir(os::open(path, O_RDONLY | O_DIRECTORY, 0, at), path); }

UniqueFd Dir::open_in_root(const Path& path, int flags, mode_t mode) const {
  UniqueFd fd(resolve(fd_.get(), path, flags, mode));
  if (!fd.valid()) throw system_error("open " + path + " in " + name_);
  return fd;
}

std::optional<UniqueFd> Dir::try_open_in_root(const Path& path, int flags, mode_t mode) const {
  UniqueFd fd(resolve(fd_.get(), path, flags, mode));
  if (fd.valid()) return fd;
  int error = errno;
  if (error == ENOENT || error == ENOTDIR) return std::nullopt;
  throw system_error("open " + path + " in " + name_, error);
}

std::pair<UniqueFd, std::string> Dir::open_parent_in_root(const Path& path) const {
  std::string_view rest = path;
  while (rest.ends_with('/')) rest.remove_suffix(1);
  auto slash = rest.rfind('/');
  std::string last(slash == std::string_view::npos ? rest : rest.substr(slash + 1));
  std::string parent(slash == std::string_view::npos ? std::string_view(".") : rest.substr(0, slash + 1));
  if (last.empty() || last == "." || last == "..") {
    throw Error(ErrorCode::InvalidArgument, "path '" + escape_control(path) + "' does not end in a name");
  }
  return {open_in_root(parent, O_PATH | O_DIRECTORY), last};
}

UniqueFd Dir::make_dirs_in_root(const Path& path, mode_t mode) const {
  // Every prefix is resolved from the root again, and a link to a place that does not exist yet is followed by its
  // text, so that the place is created where the link points, inside.
  std::vector<std::string> pending = split(path, '/');
  std::reverse(pending.begin(), pending.end());
  std::string prefix;
  for (int links = 0; !pending.empty();) {
    std::string part = std::move(pending.back());
    pending.pop_back();
    if (part.empty() || part == ".") continue;
    std::string before = prefix;
    prefix += prefix.empty() ? part : "/" + part;
    if (part == ".." || try_open_in_root(prefix, O_PATH | O_DIRECTORY)) continue;
    auto [parent, name] = open_parent_in_root(prefix);
    if (::mkdirat(parent.get(), name.c_str(), mode) == 0) continue;
    if (errno != EEXIST) throw system_error("mkdir " + prefix + " in " + name_);
    auto info = try_stat(name, parent.get());
    if (!info || !S_ISLNK(info->st_mode)) continue;
    if (++links > kMaxLinks) throw system_error("mkdir " + prefix + " in " + name_, ELOOP);
    std::string target = read_link(name, parent.get());
    auto parts = split(target, '/');
    pending.insert(pending.end(), parts.rbegin(), parts.rend());
    prefix = target.starts_with('/') ? std::string() : before;
  }
  return open_in_root(prefix.empty() ? "." : prefix, O_PATH | O_DIRECTORY);
}

std::vector<std::string> list_dir(int dir_fd, const Path& name) {
  // A descriptor of its own: reading moves the position that duplicates share.
  UniqueFd fd = open(".", O_RDONLY | O_DIRECTORY, 0, dir_fd);
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), ::closedir);
  if (!stream) throw system_error("list " + name);
  [[maybe_unused]] int owned_by_stream = fd.release();
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) {
      if (errno != 0) throw system_error("list " + name);
      break;
    }
    std::string_view entry_name = entry->d_name;
    if (entry_name != "." && entry_name != "..") names.emplace_back(entry_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> list_dir(const Path& path) { return list_dir(Dir::open(path).fd(), path); }

}  // namespace proa::os
