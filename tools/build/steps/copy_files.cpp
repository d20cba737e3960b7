#include "tools/build/steps/copy_files.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/owner_note.h"
#include "libcommon/os/xattr.h"

namespace proa::build {
namespace {

constexpr mode_t kModeBits = 07777;

std::string describe(const std::string& path) { return escape_control(path); }

std::string parent_path(const std::string& path) {
  auto parts = cut_last(path, "/");
  return parts && !parts->first.empty() ? std::string(parts->first) : "/";
}

void copy_content(int from, int to, const std::string& path) {
  // In one file system this shares or copies blocks in the kernel (Linux 5.3 across file systems of a kind).
  while (true) {
    ssize_t moved = ::copy_file_range(from, nullptr, to, nullptr, std::size_t{1} << 30, 0);
    if (moved > 0) continue;
    if (moved == 0) break;
    if (errno == EINTR) continue;
    if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
      throw system_error("copy " + describe(path));
    break;
  }
  // What the kernel did not copy (other file systems; files of /proc that claim to be empty).
  static thread_local std::array<std::byte, 128 << 10> buffer;
  while (std::size_t size = os::read_some(from, buffer, path)) os::write_all(to, std::span(buffer).first(size), path);
}

}  // namespace

void Owner::apply(int fd, const std::string& path, int source) const {
  Ownership ids = ids_.value_or(Ownership{});
  if (!ids_ && source >= 0 && mode_ == os::IdMode::Single) {
    if (auto noted = os::get_xattr(source, os::kOwnerXattr)) os::set_xattr(fd, os::kOwnerXattr, *noted, path);
    return;
  }
  if (!ids_ && source >= 0) {
    struct stat st {};
    if (::fstat(source, &st) != 0) throw system_error("stat " + describe(path));
    ids = {st.st_uid, st.st_gid};
  }
  if (mode_ == os::IdMode::Single) {
    if (ids.uid == 0 && ids.gid == 0) return;
    struct stat st {};
    // A FIFO has no attributes to note an owner in.
    if (::fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)) return;
    return os::set_xattr(fd, os::kOwnerXattr, os::encode_owner({ids.uid, ids.gid}), path);
  }
  if (::fchownat(fd, "", ids.uid, ids.gid, AT_EMPTY_PATH) != 0) {
    int error = errno;
    Error failure = system_error(fmt::format("chown {} to {}:{}", describe(path), ids.uid, ids.gid), error);
    if (error != EINVAL) throw failure;
    throw std::move(failure).with_hint(
        "the user's subordinate ids do not reach that far: see /etc/subuid and /etc/subgid");
  }
}

void Owner::apply_link(int parent_fd, const std::string& name, const struct stat& source) const {
  if (mode_ == os::IdMode::Single) return;  // a link has no attributes to note an owner in
  Ownership ids = ids_.value_or(Ownership{source.st_uid, source.st_gid});
  if (::fchownat(parent_fd, name.c_str(), ids.uid, ids.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    throw system_error("chown " + describe(name));
  }
}

// Capabilities and the user's own attributes go along with files of other images, not with those of a context.
void CopyFiles::copy_attributes(int from, int to, const std::string& path) const {
  if (!request_.owner.keeps()) return;
  for (const std::string& name : os::list_xattrs(from)) {
    bool ours = name.starts_with("user.proa.") || name.starts_with("user.overlay.");
    if (name != "security.capability" && (!name.starts_with("user.") || ours)) continue;
    if (auto value = os::get_xattr(from, name)) os::set_xattr(to, name, *value, path);
  }
}

mode_t CopyFiles::mode_of(mode_t mode, bool folder) const {
  return request_.mode ? request_.mode->apply(mode, folder) : mode & kModeBits;
}

// `source`: what it is a copy of, whose owner, attributes and time it may get.
void CopyFiles::finish(int fd, const std::string& path, mode_t mode, int source) const {
  request_.owner.apply(fd, path, source);
  // After the owner: chown(2) takes setuid bits and capabilities away.
  if (::fchmod(fd, mode_of(mode, false)) != 0) throw system_error("chmod " + describe(path));
  if (source < 0) return;
  copy_attributes(source, fd, path);
  struct stat st {};
  if (::fstat(source, &st) != 0) throw system_error("stat " + describe(path));
  struct timespec both[2] = {st.st_mtim, st.st_mtim};
  if (::futimens(fd, both) != 0) throw system_error("set times of " + describe(path));
}

// Opens a folder of the root, following links inside it; makes it, and those above it, when missing.
os::UniqueFd CopyFiles::make_folder(const std::string& path, mode_t mode, int source) {
  if (auto there = root_.try_open_in_root(path, O_RDONLY | O_DIRECTORY)) return std::move(*there);
  if (path != "/") make_folder(parent_path(path));
  os::UniqueFd made = root_.make_dirs_in_root(path, 0755);
  os::UniqueFd fd = os::open(os::fd_path(made.get()), O_RDONLY | O_DIRECTORY);
  request_.owner.apply(fd.get(), path, source);
  // mkdir(2) applies our umask.
  if (::fchmod(fd.get(), mode_of(mode, true)) != 0) throw system_error("chmod " + describe(path));
  if (source >= 0) copy_attributes(source, fd.get(), path);
  return fd;
}

os::UniqueFd CopyFiles::destination_folder() { return make_folder(request_.destination); }

CopyFiles::Place CopyFiles::place_for_file(const std::string& base_name) {
  std::string path = request_.destination;
  if (request_.into_folder || root_.try_open_in_root(path, O_PATH | O_DIRECTORY))
    return {destination_folder(), base_name};
  make_folder(parent_path(path));
  auto [parent, name] = root_.open_parent_in_root(path);
  return {std::move(parent), name};
}

void CopyFiles::clear(const Place& place) const {
  auto st = os::try_stat(place.name, place.parent.get());
  if (!st) return;
  if (S_ISDIR(st->st_mode)) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("cannot put a file over the folder {}", describe(place.name)));
  }
  if (::unlinkat(place.parent.get(), place.name.c_str(), 0) != 0) throw system_error("remove " + describe(place.name));
}

void CopyFiles::copy_entry(const SourceTree& tree, const TreeEntry& entry, const std::string& source_path,
                           const Place& place) {
  clear(place);
  int parent = place.parent.get();
  if (S_ISLNK(entry.st.st_mode)) {
    std::string target = os::read_link(entry.name, entry.parent_fd);
    if (::symlinkat(target.c_str(), parent, place.name.c_str()) != 0)
      throw system_error("make link " + describe(place.name));
    request_.owner.apply_link(parent, place.name, entry.st);
    struct timespec both[2] = {entry.st.st_mtim, entry.st.st_mtim};
    ::utimensat(parent, place.name.c_str(), both, AT_SYMLINK_NOFOLLOW);
    return;
  }
  if (S_ISFIFO(entry.st.st_mode)) {
    if (::mkfifoat(parent, place.name.c_str(), 0600) != 0) throw system_error("make FIFO " + describe(place.name));
    os::UniqueFd fd = os::open(place.name, O_PATH | O_NOFOLLOW, 0, parent);
    os::UniqueFd from =
        entry.name.empty() ? os::UniqueFd() : os::open(entry.name, O_PATH | O_NOFOLLOW, 0, entry.parent_fd);
    request_.owner.apply(fd.get(), place.name, from.get());
    if (::chmod(os::fd_path(fd.get()).c_str(), mode_of(entry.st.st_mode, false)) != 0) {
      throw system_error("chmod " + describe(place.name));
    }
    return;
  }
  os::UniqueFd from = tree.open_file(entry);
  os::UniqueFd to = os::open(place.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, parent);
  copy_content(from.get(), to.get(), source_path);
  tree.check(from.get(), source_path);
  finish(to.get(), place.name, entry.st.st_mode, from.get());
}

void CopyFiles::copy_folder(const SourceTree& tree, const Source& source, const std::string& destination) {
  std::string base = destination == "/" ? "" : destination;
  make_folder(destination);
  // Entries come parents first; the folder they go to is resolved once for each folder.
  std::string open_path;
  os::UniqueFd open_folder;
  tree.walk(source, request_.excludes, [&](const TreeEntry& entry) {
    std::string path = base + "/" + entry.relative;
    if (S_ISDIR(entry.st.st_mode)) {
      os::UniqueFd from = os::open(entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, entry.parent_fd);
      make_folder(path, entry.st.st_mode, from.get());
      return;
    }
    std::string folder = parent_path(path);
    if (folder != open_path || !open_folder.valid()) {
      open_folder = make_folder(folder);
      open_path = folder;
    }
    Place place{std::move(open_folder), entry.name};
    std::string source_path = source.path.empty() ? entry.relative : source.path + "/" + entry.relative;
    copy_entry(tree, entry, source_path, place);
    open_folder = std::move(place.parent);
  });
}

void CopyFiles::copy(const SourceTree& tree, const Source& source) {
  While copying{[&] {
    return fmt::format("copying {} to {}", describe(source.path.empty() ? "." : source.path),
                       describe(request_.destination));
  }};
  if (source.is_folder()) return copy_folder(tree, source, request_.destination);
  Place place = place_for_file(source.base_name());
  copy_entry(tree, entry_of(source), source.path, place);
}

void CopyFiles::copy_kept(const SourceTree& tree, const Source& source, const std::string& kept) {
  While copying{[&] { return fmt::format("copying {}", describe(source.path)); }};
  std::string base = request_.destination == "/" ? "" : request_.destination;
  destination_folder();
  std::string above = source.path.substr(0, source.path.size() - kept.size());
  std::size_t last = source.is_folder() ? kept.size() : kept.find_last_of('/');
  for (std::size_t end = 0; last != std::string::npos && end < last;) {
    end = std::min(kept.find('/', end + 1), last);
    auto from = tree.root().open_in_root(above + kept.substr(0, end), O_RDONLY | O_DIRECTORY);
    struct stat st {};
    if (::fstat(from.get(), &st) != 0) throw system_error("stat " + describe(source.path));
    make_folder(base + "/" + kept.substr(0, end), st.st_mode, from.get());
  }
  if (source.is_folder()) return copy_folder(tree, source, kept.empty() ? request_.destination : base + "/" + kept);
  std::string folder = last == std::string::npos ? request_.destination : base + "/" + kept.substr(0, last);
  copy_entry(tree, entry_of(source), source.path, {make_folder(folder), source.base_name()});
}

void CopyFiles::write(const std::string& name, std::string_view content) {
  Place place = place_for_file(name);
  clear(place);
  os::UniqueFd to = os::open(place.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, place.parent.get());
  os::write_all(to.get(), content, place.name);
  finish(to.get(), place.name, 0644);
}

}  // namespace proa::build
