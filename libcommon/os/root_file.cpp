#include "libcommon/os/root_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "libcommon/base/error.h"

namespace proa::os {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel's MAXSYMLINKS

}  // namespace

UniqueFd make_file_in_root(const Dir& root, const Path& path, mode_t mode) {
  Path place = path;
  while (place.ends_with('/')) place.pop_back();
  for (int links = 0; links <= kMaxLinks; ++links) {
    if (auto there = root.try_open_in_root(place, O_PATH)) return std::move(*there);
    auto slash = place.rfind('/');
    Path folder = slash == Path::npos ? "." : place.substr(0, slash + 1);
    root.make_dirs_in_root(folder);
    auto [parent, name] = root.open_parent_in_root(place);
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    if (UniqueFd made(::openat(parent.get(), name.c_str(), flags, mode)); made.valid()) continue;
    if (errno != EEXIST) throw system_error("make " + place + " in " + root.name());
    auto info = try_stat(name, parent.get());
    if (!info || !S_ISLNK(info->st_mode)) continue;
    Path target = read_link(name, parent.get());
    place = target.starts_with('/') ? target : join(folder, target);
  }
  throw system_error("make " + path + " in " + root.name(), ELOOP);
}

}  // namespace proa::os
