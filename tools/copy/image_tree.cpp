#include "tools/copy/image_tree.h"

#include <sys/sysmacros.h>

#include <set>

#include "libcommon/os/dir.h"
#include "libcommon/os/xattr.h"

namespace proa::copy {

namespace {

// Everything below a path: the keys between "a/" and "a0", since '0' follows '/'.
void erase_below(ImageTree& tree, const std::string& path) {
  tree.erase(tree.lower_bound(path + "/"), tree.lower_bound(path + "0"));
}

bool is_whiteout(const struct stat& found) { return S_ISCHR(found.st_mode) && found.st_rdev == makedev(0, 0); }

bool is_opaque(int fd) {
  for (const char* name : {"user.overlay.opaque", "trusted.overlay.opaque"}) {
    const auto value = os::get_xattr(fd, name);
    if (value && *value == "y") return true;
  }
  return false;
}

TreeEntry entry_of(const struct stat& found) {
  return {.mode = found.st_mode,
          .uid = found.st_uid,
          .gid = found.st_gid,
          .size = static_cast<std::uint64_t>(found.st_size),
          .device = found.st_rdev,
          .seconds = found.st_mtim.tv_sec,
          .nanoseconds = found.st_mtim.tv_nsec,
          .target = {}};
}

void add_layer(ImageTree& tree, const os::Dir& dir, const std::string& below) {
  for (const auto& name : os::list_dir(dir.fd(), dir.name())) {
    const auto found = os::try_stat(name, dir.fd());
    if (!found) continue;
    const auto path = below.empty() ? name : below + "/" + name;
    if (is_whiteout(*found)) {
      tree.erase(path);
      erase_below(tree, path);
      continue;
    }
    auto entry = entry_of(*found);
    if (S_ISLNK(found->st_mode)) entry.target = os::read_link(name, dir.fd());
    if (!entry.is_directory()) {
      erase_below(tree, path);
      tree.insert_or_assign(path, std::move(entry));
      continue;
    }
    const os::Dir child(os::open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, dir.fd()), os::join(dir.name(), name));
    if (is_opaque(child.fd())) erase_below(tree, path);
    tree.insert_or_assign(path, std::move(entry));
    add_layer(tree, child, path);
  }
}

bool differs(const TreeEntry& a, const TreeEntry& b) {
  if (a.mode != b.mode || a.uid != b.uid || a.gid != b.gid || a.device != b.device || a.target != b.target) return true;
  if (a.is_directory()) return false;
  return a.size != b.size || a.seconds != b.seconds || a.nanoseconds != b.nanoseconds;
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

}  // namespace

bool TreeEntry::is_directory() const { return S_ISDIR(mode); }

ImageTree read_image_tree(const std::vector<os::Path>& layers) {
  ImageTree tree;
  for (const auto& layer : layers) add_layer(tree, os::Dir::open(layer), "");
  return tree;
}

std::vector<TreeChange> compare_trees(const ImageTree& before, const ImageTree& after) {
  std::map<std::string, ChangeKind> changes;
  const auto mark = [&](const std::string& path, ChangeKind kind) {
    changes.emplace(path, kind);
    for (auto parent = parent_of(path); !parent.empty(); parent = parent_of(parent)) {
      if (before.contains(parent) && after.contains(parent)) changes.emplace(parent, ChangeKind::Changed);
    }
  };
  for (const auto& [path, entry] : after) {
    const auto old = before.find(path);
    if (old == before.end()) {
      mark(path, ChangeKind::Added);
    } else if (differs(old->second, entry)) {
      mark(path, ChangeKind::Changed);
    }
  }
  for (const auto& [path, entry] : before) {
    if (after.contains(path)) continue;
    const auto parent = parent_of(path);
    // Its parent went, too, and says it all.
    if (parent.empty() || after.contains(parent)) mark(path, ChangeKind::Deleted);
  }
  std::vector<TreeChange> result;
  for (const auto& [path, kind] : changes) result.push_back({kind, "/" + path});
  return result;
}

}  // namespace proa::copy
