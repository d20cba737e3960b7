#include "tools/build/steps/source_tree.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/io/digest_stream.h"
#include "tools/build/cache/key.h"

namespace proa::build {
namespace {

constexpr std::size_t kMaxMatches = 100'000;

// A pattern's path from the root of the tree: "../x" is "x".
std::string inside(const std::string& path) { return clean_path("/" + path).substr(1); }

std::string describe(const std::string& path) { return escape_control(path.empty() ? "." : path); }

[[noreturn]] void not_found(const std::string& pattern, const std::string& tree) {
  throw Error(ErrorCode::NotFound, fmt::format("{}: no such file in {}", describe(pattern), tree));
}

}  // namespace

bool is_pattern(std::string_view text) { return text.find_first_of("*?[\\") != std::string_view::npos; }

FileStamp FileStamp::of(const struct stat& st) { return {st.st_dev, st.st_ino, st.st_size, st.st_ctim}; }

bool FileStamp::operator==(const FileStamp& other) const {
  return device == other.device && inode == other.inode && size == other.size &&
         changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
}

std::string Source::base_name() const {
  auto parts = cut_last(path, "/");
  return parts ? std::string(parts->second) : path;
}

TreeEntry entry_of(const Source& source) { return {source.fd.get(), "", "", source.st}; }

SourceTree::SourceTree(os::Dir root, IgnoreRules rules, std::string name)
    : root_(std::move(root)), rules_(std::move(rules)), name_(std::move(name)) {}

void SourceTree::reopen() {
  os::Dir again = os::Dir::open(root_.name());
  struct stat before {
  }, now{};
  if (::fstat(root_.fd(), &before) != 0 || ::fstat(again.fd(), &now) != 0) throw system_error("stat " + root_.name());
  if (before.st_dev != now.st_dev || before.st_ino != now.st_ino) {
    throw Error(ErrorCode::Io, fmt::format("{} was replaced during the build", name_));
  }
  root_ = std::move(again);
}

// Whether a source is ignored, under the name it was given or at the place where its links led.
bool SourceTree::hidden(const Source& source) const {
  if (rules_.empty()) return false;
  bool open_folder = source.is_folder() && rules_.has_exceptions();
  if (!source.path.empty() && rules_.ignores(source.path) && !open_folder) return true;
  // The real path serves for this comparison only; nothing is opened by it.
  std::string root = os::read_link(os::fd_path(root_.fd())), real = os::read_link(os::fd_path(source.fd.get()));
  if (!real.starts_with(root + "/")) return false;
  real.erase(0, root.size() + 1);
  return real != source.path && rules_.ignores(real) && !open_folder;
}

// All folders below those in `paths`, in the order of bytes; links to folders are not followed.
void SourceTree::add_folders_below(std::vector<std::string>& paths) const {
  for (std::size_t i = 0; i < paths.size(); ++i) {
    std::string path = paths[i];
    auto folder = root_.try_open_in_root(path.empty() ? "." : path, O_RDONLY | O_DIRECTORY);
    if (!folder) continue;
    for (const std::string& name : os::list_dir(folder->get(), path)) {
      if (!S_ISDIR(os::stat(name, folder->get()).st_mode)) continue;
      paths.push_back(path.empty() ? name : path + "/" + name);
      if (paths.size() > kMaxMatches) throw Error(ErrorCode::LimitExceeded, "** names too many folders");
    }
  }
  std::sort(paths.begin(), paths.end());
}

std::vector<std::string> SourceTree::expand_pattern(const std::string& pattern, Stars stars) const {
  std::vector<std::string> paths{""};
  for (const std::string& component : split(pattern, '/')) {
    if (component == "**" && stars == Stars::Folders) {
      add_folders_below(paths);
      continue;
    }
    std::vector<std::string> next;
    bool wild = is_pattern(component);
    PathPattern matcher(component);
    for (const std::string& path : paths) {
      std::string prefix = path.empty() ? "" : path + "/";
      if (!wild) {
        next.push_back(prefix + component);
        continue;
      }
      auto folder = root_.try_open_in_root(path.empty() ? "." : path, O_RDONLY | O_DIRECTORY);
      if (!folder) continue;
      for (const std::string& name : os::list_dir(folder->get(), path)) {
        if (matcher.matches(name)) next.push_back(prefix + name);
      }
      if (next.size() > kMaxMatches)
        throw Error(ErrorCode::LimitExceeded, fmt::format("{} names too many files", describe(pattern)));
    }
    paths = std::move(next);
  }
  return paths;
}

std::vector<Source> SourceTree::select(const std::string& pattern, Stars stars) const {
  std::string path = inside(pattern);
  bool wild = is_pattern(path);
  std::vector<Source> sources;
  for (std::string& candidate : wild ? expand_pattern(path, stars) : std::vector<std::string>{path}) {
    auto fd = root_.try_open_in_root(candidate.empty() ? "." : candidate, O_PATH);
    if (!fd) continue;
    Source source{std::move(*fd), std::move(candidate), {}};
    if (::fstat(source.fd.get(), &source.st) != 0) throw system_error("stat " + describe(source.path));
    if (!hidden(source)) sources.push_back(std::move(source));
  }
  if (sources.empty() && !wild) not_found(pattern, name_);
  return sources;
}

void SourceTree::walk(const Source& folder, const IgnoreRules& excludes,
                      const std::function<void(const TreeEntry&)>& visit) const {
  struct Open {
    os::UniqueFd fd;
    std::string relative;
    std::vector<std::string> names;
    std::size_t next = 0;
  };
  auto open = [&](int parent, const std::string& name, std::string relative) {
    os::UniqueFd fd =
        os::open(name.empty() ? os::fd_path(parent) : name, O_RDONLY | O_DIRECTORY | (name.empty() ? 0 : O_NOFOLLOW), 0,
                 name.empty() ? AT_FDCWD : parent);
    std::vector<std::string> names = os::list_dir(fd.get(), relative);
    return Open{std::move(fd), std::move(relative), std::move(names), 0};
  };
  std::vector<Open> stack;
  stack.push_back(open(folder.fd.get(), "", ""));
  while (!stack.empty()) {
    Open& top = stack.back();
    if (top.next == top.names.size()) {
      stack.pop_back();
      continue;
    }
    TreeEntry entry{top.fd.get(), top.names[top.next++], "", {}};
    entry.relative = top.relative.empty() ? entry.name : top.relative + "/" + entry.name;
    std::string path = folder.path.empty() ? entry.relative : folder.path + "/" + entry.relative;
    entry.st = os::stat(entry.name, entry.parent_fd);
    bool directory = S_ISDIR(entry.st.st_mode);
    bool ignored = rules_.ignores(path), excluded = excludes.ignores(entry.relative);
    bool descend = directory && (!ignored || rules_.has_exceptions()) && (!excluded || excludes.has_exceptions());
    if (!ignored && !excluded) {
      if (!directory && !S_ISREG(entry.st.st_mode) && !S_ISLNK(entry.st.st_mode) && !S_ISFIFO(entry.st.st_mode)) {
        throw Error(ErrorCode::Unsupported,
                    fmt::format("{} in {} is a socket or a device: these cannot be copied", describe(path), name_));
      }
      visit(entry);
    }
    if (descend) {
      if (stack.size() > 4000)
        throw Error(ErrorCode::LimitExceeded, fmt::format("{} is nested too deep", describe(path)));
      stack.push_back(open(entry.parent_fd, entry.name, entry.relative));
    }
  }
}

os::UniqueFd SourceTree::open_file(const TreeEntry& entry) const {
  // A source that is a file itself has no name below its descriptor.
  os::UniqueFd fd = entry.name.empty() ? os::open(os::fd_path(entry.parent_fd), O_RDONLY | O_NONBLOCK)
                                       : os::open(entry.name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, entry.parent_fd);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) throw system_error("stat " + describe(entry.relative));
  if (!S_ISREG(st.st_mode))
    throw Error(ErrorCode::Io, fmt::format("{} changed while it was read", describe(entry.relative)));
  return fd;
}

void SourceTree::check(int fd, const std::string& path) const {
  auto stamp = stamps_.find(path);
  struct stat st {};
  if (::fstat(fd, &st) != 0) throw system_error("stat " + describe(path));
  if (stamp != stamps_.end() && !(stamp->second == FileStamp::of(st))) {
    throw Error(ErrorCode::Io, fmt::format("{} in {} changed during the build", describe(path), name_));
  }
}

std::string SourceTree::file_digest(const TreeEntry& entry, const std::string& path) {
  os::UniqueFd fd = open_file(entry);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) throw system_error("stat " + describe(path));
  stamps_[path] = FileStamp::of(st);
  io::Hasher hasher;
  static thread_local std::array<std::byte, 128 << 10> buffer;
  while (std::size_t size = os::read_some(fd.get(), buffer, path)) hasher.update(std::span(buffer).first(size));
  check(fd.get(), path);
  return hasher.finish().str();
}

std::string SourceTree::digest(const Source& source, const IgnoreRules& excludes) {
  KeyBuilder key("tree");
  auto add = [&](const TreeEntry& entry) {
    std::string path = source.path;
    if (!entry.relative.empty()) path += (path.empty() ? "" : "/") + entry.relative;
    key.add("path", entry.relative).add("mode", fmt::format("{:o}", entry.st.st_mode));
    if (S_ISREG(entry.st.st_mode)) {
      key.add("content", file_digest(entry, path));
    } else if (S_ISLNK(entry.st.st_mode)) {
      key.add("link", os::read_link(entry.name, entry.parent_fd));
    }
  };
  key.add("name", source.base_name());
  if (source.is_folder()) {
    walk(source, excludes, add);
  } else {
    add(entry_of(source));
  }
  return key.finish();
}

}  // namespace proa::build
