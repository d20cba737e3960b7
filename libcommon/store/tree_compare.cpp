// Comparing two directories byte by byte.
#include <fmt/core.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/dir.h"
#include "libcommon/store/tree.h"

namespace proa::store {
namespace {

using Attributes = std::map<std::string, std::string>;

constexpr std::size_t kMaxAttributes = 1u << 16;  // XATTR_LIST_MAX

// Marks of the overlay file system in a directory that was its upper one. Opaque directories are content.
bool is_kernel_mark(std::string_view name) {
  for (std::string_view prefix : {"user.overlay.", "trusted.overlay."}) {
    if (name.starts_with(prefix)) return name.substr(prefix.size()) != "opaque";
  }
  return false;
}

Attributes read_attributes(int dir, const std::string& name, bool adopted) {
  // There is no *at form of these calls before Linux 6.13.
  const std::string path = os::fd_path(dir) + "/" + name;
  std::string list(kMaxAttributes, '\0');
  ssize_t length = ::llistxattr(path.c_str(), list.data(), list.size());
  if (length < 0 && (errno == ENOTSUP || errno == EPERM)) return {};
  if (length < 0) throw system_error("listxattr " + name);
  list.resize(static_cast<std::size_t>(length));
  Attributes attributes;
  std::string value(kMaxAttributes, '\0');
  for (const std::string& key : split(list, '\0')) {
    if (key.empty() || (adopted && is_kernel_mark(key))) continue;
    ssize_t size = ::lgetxattr(path.c_str(), key.c_str(), value.data(), value.size());
    if (size < 0) throw system_error("getxattr " + key + " of " + name);
    attributes[key] = value.substr(0, static_cast<std::size_t>(size));
  }
  return attributes;
}

bool same_content(const os::UniqueFd& a, const os::UniqueFd& b, const std::string& name) {
  static thread_local std::array<std::byte, 1 << 16> left, right;
  while (true) {
    std::size_t got = os::read_full(a.get(), left, name);
    if (os::read_full(b.get(), right, name) != got) return false;
    if (std::memcmp(left.data(), right.data(), got) != 0) return false;
    if (got < left.size()) return true;
  }
}

class Comparer {
 public:
  Comparer(bool adopted, std::size_t limit) : adopted_(adopted), limit_(limit) {}

  void directories(int expected, int actual, const std::string& path) {
    const std::vector<std::string> wanted = os::list_dir(expected, path);
    const std::vector<std::string> found = os::list_dir(actual, path);
    for (const std::string& name : found) {
      if (!std::binary_search(wanted.begin(), wanted.end(), name)) differ(path + "/" + name, "added");
    }
    for (const std::string& name : wanted) {
      if (!std::binary_search(found.begin(), found.end(), name)) {
        differ(path + "/" + name, "missing");
      } else if (differences_.size() < limit_) {
        entries(expected, actual, name, path + "/" + name);
      }
    }
  }

  std::vector<TreeDifference> take() { return std::move(differences_); }

 private:
  void differ(const std::string& path, std::string text) {
    if (differences_.size() < limit_) differences_.push_back({path, std::move(text)});
  }

  void entries(int expected, int actual, const std::string& name, const std::string& path) {
    const struct stat want = os::stat(name, expected);
    const struct stat have = os::stat(name, actual);
    if ((want.st_mode & S_IFMT) != (have.st_mode & S_IFMT)) return differ(path, "of another type");
    if (want.st_mode != have.st_mode && !S_ISLNK(want.st_mode)) {
      differ(path, fmt::format("mode {:04o}, not {:04o}", have.st_mode & 07777, want.st_mode & 07777));
    }
    if (want.st_uid != have.st_uid || want.st_gid != have.st_gid) {
      differ(path, fmt::format("owner {}:{}, not {}:{}", have.st_uid, have.st_gid, want.st_uid, want.st_gid));
    }
    // A directory that the tar does not name gets the time of unpacking, as does a whiteout.
    const bool is_whiteout = S_ISCHR(want.st_mode) && want.st_rdev == 0;
    const bool has_time = !adopted_ && !S_ISDIR(want.st_mode) && !is_whiteout;
    if (has_time && (want.st_mtim.tv_sec != have.st_mtim.tv_sec || want.st_mtim.tv_nsec != have.st_mtim.tv_nsec)) {
      differ(path, "modification time changed");
    }
    if (want.st_rdev != have.st_rdev) differ(path, "another device");
    if (read_attributes(expected, name, adopted_) != read_attributes(actual, name, adopted_)) {
      differ(path, "extended attributes changed");
    }
    content(want, expected, actual, name, path);
  }

  void content(const struct stat& info, int expected, int actual, const std::string& name, const std::string& path) {
    constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
    if (S_ISLNK(info.st_mode) && os::read_link(name, expected) != os::read_link(name, actual))
      differ(path, "another target");
    if (S_ISREG(info.st_mode) &&
        !same_content(os::open(name, kFlags, 0, expected), os::open(name, kFlags, 0, actual), path)) {
      differ(path, "content changed");
    }
    if (S_ISDIR(info.st_mode)) {
      const os::UniqueFd want = os::open(name, kFlags | O_DIRECTORY, 0, expected);
      const os::UniqueFd have = os::open(name, kFlags | O_DIRECTORY, 0, actual);
      directories(want.get(), have.get(), path);
    }
  }

  bool adopted_;
  std::size_t limit_;
  std::vector<TreeDifference> differences_;
};

}  // namespace

std::vector<TreeDifference> compare_trees(int expected, int actual, bool adopted, std::size_t limit) {
  Comparer comparer(adopted, limit);
  comparer.directories(expected, actual, "");
  return comparer.take();
}

}  // namespace proa::store
