#include "tests/support/tree.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <vector>

namespace proa::testing {
namespace {

std::string xattrs_of(const std::string& path) {
  std::vector<char> names(65536), value(65536);
  ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  std::map<std::string, std::string> sorted;
  for (ssize_t at = 0; at < size;) {
    std::string name = names.data() + at;
    ssize_t length = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    sorted[name] = length < 0 ? "?" : std::string(value.data(), static_cast<std::size_t>(length));
    at += static_cast<ssize_t>(name.size()) + 1;
  }
  std::string text;
  for (const auto& [name, content] : sorted) text += " [" + name + "=" + content + "]";
  return text;
}

std::string describe(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return "gone";
  std::ostringstream out;
  out << std::oct << info.st_mode << std::dec << ' ' << info.st_uid << ':' << info.st_gid << ' ' << info.st_mtim.tv_sec
      << '.' << info.st_mtim.tv_nsec;
  if (S_ISLNK(info.st_mode)) out << " -> " << std::filesystem::read_symlink(path).string();
  if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode))
    out << " dev " << major(info.st_rdev) << ',' << minor(info.st_rdev);
  if (!S_ISDIR(info.st_mode)) out << " links " << info.st_nlink;
  if (S_ISREG(info.st_mode)) {
    out << " size " << info.st_size;
    if (info.st_size < (1 << 20)) {
      std::ifstream file(path);
      out << " content " << std::string{std::istreambuf_iterator<char>(file), {}};
    }
  }
  return out.str() + xattrs_of(path);
}

}  // namespace

std::map<std::string, std::string> describe_tree(const std::string& root) {
  std::map<std::string, std::string> tree{{".", describe(root)}};
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    tree[entry.path().string().substr(root.size() + 1)] = describe(entry.path().string());
  }
  return tree;
}

}  // namespace proa::testing
