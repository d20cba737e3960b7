#include "tools/build/steps/step_owner.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <vector>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/owner_note.h"
#include "libcommon/os/xattr.h"

namespace proa::build {
namespace {

constexpr mode_t kSetIds = S_ISUID | S_ISGID;

struct Level {
  os::UniqueFd upper;
  std::optional<os::UniqueFd> below;
  std::vector<std::string> names;
  std::size_t next = 0;
};

Level make_level(os::UniqueFd upper, std::optional<os::UniqueFd> below) {
  auto names = os::list_dir(upper.get(), "the layer of a step");
  return {std::move(upper), std::move(below), std::move(names)};
}

void note_entry(const Level& level, const std::string& name, const struct stat& info, Ownership user) {
  // By path below a descriptor: the mode may allow nobody to open it.
  os::UniqueFd file = os::open(name, O_PATH | O_NOFOLLOW, 0, level.upper.get());
  if (os::get_xattr(file.get(), os::kOwnerXattr)) return;
  bool was_there = level.below && os::try_stat(name, level.below->get()).has_value();
  if (!was_there) return os::set_xattr(file.get(), os::kOwnerXattr, os::encode_owner({user.uid, user.gid}), name);
  if (!S_ISREG(info.st_mode) || (info.st_mode & kSetIds) == 0 || user.uid == 0) return;
  if (::chmod(os::fd_path(file.get()).c_str(), info.st_mode & 07777 & ~kSetIds) != 0) {
    throw system_error("chmod " + escape_control(name));
  }
}

}  // namespace

void note_step_owner(const os::Path& upper, int below, Ownership user) {
  std::vector<Level> stack;
  stack.push_back(make_level(os::open(upper, O_RDONLY | O_DIRECTORY), os::open(".", O_RDONLY | O_DIRECTORY, 0, below)));
  while (!stack.empty()) {
    Level& level = stack.back();
    if (level.next == level.names.size()) {
      stack.pop_back();
      continue;
    }
    const std::string& name = level.names[level.next++];
    struct stat info = os::stat(name, level.upper.get());
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) continue;
    note_entry(level, name, info, user);
    if (!S_ISDIR(info.st_mode)) continue;
    constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    std::optional<os::UniqueFd> same;
    auto there = level.below ? os::try_stat(name, level.below->get()) : std::nullopt;
    if (there && S_ISDIR(there->st_mode)) same = os::open(name, kFolder, 0, level.below->get());
    stack.push_back(make_level(os::open(name, kFolder, 0, level.upper.get()), std::move(same)));
  }
}

}  // namespace proa::build
