#include "libcommon/os/xattr.h"

#include <sys/xattr.h>

#include <cerrno>

#include "libcommon/base/error.h"
#include "libcommon/os/file.h"

namespace proa::os {
namespace {

constexpr std::size_t kMaxValue = 65536;  // XATTR_SIZE_MAX

}  // namespace

std::optional<std::string> get_xattr(int fd, const std::string& name) {
  std::string value(kMaxValue, '\0');
  ssize_t size = ::getxattr(fd_path(fd).c_str(), name.c_str(), value.data(), value.size());
  if (size < 0) {
    if (errno == ENODATA || errno == EOPNOTSUPP) return std::nullopt;
    throw system_error("getxattr " + name);
  }
  value.resize(static_cast<std::size_t>(size));
  return value;
}

void set_xattr(int fd, const std::string& name, std::string_view value, std::string_view file) {
  if (::setxattr(fd_path(fd).c_str(), name.c_str(), value.data(), value.size(), 0) != 0) {
    throw system_error("setxattr " + name + " of " + std::string(file));
  }
}

std::vector<std::string> list_xattrs(int fd) {
  std::string names(kMaxValue, '\0');
  ssize_t size = ::listxattr(fd_path(fd).c_str(), names.data(), names.size());
  if (size < 0) {
    if (errno == EOPNOTSUPP) return {};
    throw system_error("listxattr");
  }
  std::vector<std::string> list;
  for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
    list.emplace_back(names.c_str() + at);
    at += list.back().size() + 1;
  }
  return list;
}

}  // namespace proa::os
