// Whiteouts: image-spec layer.md, "Whiteouts".
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "libcommon/archive/entry_path.h"
#include "libcommon/archive/layer_writer.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/os/xattr.h"

namespace proa::archive {
namespace {

constexpr std::string_view kPrefix = ".wh.";
constexpr std::string_view kReserved = ".wh..wh.";  // of AUFS: ".wh..wh.plnk", ".wh..wh.aufs"
constexpr std::string_view kOpaque = ".wh..wh..opq";

}  // namespace

// True when the name has a meaning of its own and was dealt with.
bool LayerWriter::add_whiteout(const std::string& path) {
  for (std::size_t start = 0, end; (end = path.find('/', start)) != std::string::npos; start = end + 1) {
    auto part = std::string_view(path).substr(start, end - start);
    if (part.starts_with(kReserved)) return true;
    if (part.starts_with(kPrefix)) throw Error(ErrorCode::Corrupt, "a whiteout cannot be a directory");
  }
  auto [parent, name] = split_entry_path(path);
  if (!name.starts_with(kPrefix)) return false;
  if (name == kOpaque) {
    make_opaque(std::string(parent));
    return true;
  }
  if (name.starts_with(kReserved)) return true;
  auto hidden = name.substr(kPrefix.size());
  if (hidden.empty() || hidden == "." || hidden == "..") throw Error(ErrorCode::Corrupt, "a whiteout of no name");
  hide(std::string(parent), hidden);
  return true;
}

// A whiteout applies to the layers below: what this layer has of the same name stays, before and after.
void LayerWriter::hide(const std::string& directory, std::string_view name) {
  ++result_.whiteouts;
  std::string path = directory.empty() ? std::string(name) : directory + "/" + std::string(name);
  // Where nothing was, nothing need be made to remove something from it.
  int parent = overlay() ? parents_.open(directory) : parents_.find(directory);
  if (parent < 0) return;
  Place place{parent, std::string(name), path};
  auto present = os::try_stat(place.name, place.parent);
  if (overlay()) {
    if (present && S_ISDIR(present->st_mode)) {
      set_opaque(os::open(place.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, place.parent).get(), path);
    } else if (!present && ::mknodat(place.parent, place.name.c_str(), S_IFCHR, makedev(0, 0)) != 0) {
      // Allowed without privilege since Linux 5.8.
      throw system_error("make a whiteout for " + escape_control(path));
    }
    return;
  }
  if (!present) return;
  if (S_ISDIR(present->st_mode)) {
    remove_untouched(os::open(place.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, place.parent).get(), path);
    // Stays when something of this layer is in it.
    if (!touched(*present)) (void)::unlinkat(place.parent, place.name.c_str(), AT_REMOVEDIR);
  } else if (!touched(*present) && ::unlinkat(place.parent, place.name.c_str(), 0) != 0) {
    throw system_error("unlink " + escape_control(path));
  }
  parents_.clear();
}

void LayerWriter::make_opaque(const std::string& directory) {
  ++result_.whiteouts;
  if (overlay()) {
    if (directory.empty()) result_.opaque_root = true;
    set_opaque(parents_.open(directory), directory);
    return;
  }
  int fd = parents_.find(directory);
  if (fd < 0) return;
  remove_untouched(fd, directory);
  parents_.clear();
}

void LayerWriter::set_opaque(int fd, std::string_view path) {
  const char* name =
      options_.whiteouts == WhiteoutStyle::OverlayTrusted ? "trusted.overlay.opaque" : "user.overlay.opaque";
  os::set_xattr(fd, name, "y", escape_control(path.empty() ? "the root of the layer" : path));
}

// Everything below that is not of this layer. Directories are visited by path from `directory`, one open at a time, so
// that depth costs neither stack nor descriptors.
void LayerWriter::remove_untouched(int directory, const std::string& path) {
  os::Dir top(os::open(".", O_RDONLY | O_DIRECTORY, 0, directory), path);
  std::vector<std::string> folders{"."};
  for (std::size_t at = 0; at < folders.size(); ++at) {
    const std::string folder = folders[at];
    auto fd = top.open_in_root(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    for (const auto& name : os::list_dir(fd.get(), folder)) {
      auto info = os::stat(name, fd.get());
      if (S_ISDIR(info.st_mode)) {
        folders.push_back(folder + "/" + name);
      } else if (!touched(info) && ::unlinkat(fd.get(), name.c_str(), 0) != 0) {
        throw system_error("unlink " + escape_control(name));
      }
    }
  }
  // Children come after their parents; a folder with something of this layer in it is not empty and stays.
  for (std::size_t at = folders.size(); at-- > 1;) {
    auto [parent, name] = top.open_parent_in_root(folders[at]);
    if (!touched(os::stat(name, parent.get()))) (void)::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR);
  }
}

void LayerWriter::touch(int parent, const std::string& name) { touched_.insert(os::stat(name, parent).st_ino); }

bool LayerWriter::touched(const struct stat& info) const { return touched_.contains(info.st_ino); }

}  // namespace proa::archive
