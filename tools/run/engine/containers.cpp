#include "tools/run/engine/containers.h"

#include <errno.h>
#include <fmt/core.h>
#include <signal.h>

#include <algorithm>
#include <array>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/random.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/file.h"
#include "libcommon/os/lock.h"
#include "libcommon/os/store_file.h"
#include "libcommon/spec/volumes.h"
#include "libcommon/store/lease.h"

namespace proa::engine {
namespace {

// Shared: a folder is being made or goes, and has no lock. Exclusive: such folders are looked for.
constexpr const char* kSweepLock = "sweep.lock";

bool is_container_id(std::string_view text) { return text.size() == 64 && is_hex(text); }

std::string link_target(std::string_view id) { return "../containers/" + std::string(id); }

// The id a name leads to; nullopt when the name is free or no link of ours.
std::optional<std::string> named_id(const os::Path& link) {
  try {
    const std::string target = os::read_link(link);
    const auto parts = cut_last(target, "/");
    if (parts && is_container_id(parts->second)) return std::string(parts->second);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound && error.error_number() != EINVAL) throw;
  }
  return std::nullopt;
}

// The images of a container may be collected again.
void drop_uses(const os::Path& data, const Container& container) {
  auto store = store::Store::try_open(data);
  if (!store) return;
  store::remove_use(*store, container.id());
  try {
    const std::size_t mounts = container.record().prepared.size();
    for (std::size_t i = 0; i < mounts; ++i) store::remove_use(*store, mount_use(container.id(), i));
  } catch (const Error& error) {
    log::debug(error.what());  // no record, no mounts
  }
}

}  // namespace

std::string mount_use(const std::string& container_id, std::size_t position) {
  return fmt::format("{}.{}", container_id, position);
}

Containers::Containers(config::Paths paths)
    : paths_(std::move(paths)),
      containers_(os::join(paths_.data, "containers")),
      names_(os::join(paths_.data, "names")) {}

std::optional<Container> Containers::open(const std::string& id) const {
  os::Path path = os::join(containers_, id);
  auto fd = os::try_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (!fd) return std::nullopt;
  return Container(id, std::move(path), std::move(*fd));
}

std::vector<Container> Containers::list() const {
  std::vector<Container> all;
  if (!os::exists(containers_)) return all;
  for (const auto& name : os::list_dir(containers_)) {
    if (!is_container_id(name)) continue;
    if (auto container = open(name)) all.push_back(std::move(*container));
  }
  return all;
}

std::optional<Container> Containers::find(std::string_view text) const {
  if (is_container_id(text)) return open(std::string(text));
  if (text.empty() || text.find('/') != std::string_view::npos || text.front() == '.') return std::nullopt;
  if (auto id = named_id(os::join(names_, text))) {
    if (auto container = open(*id)) return container;
  }
  if (!is_hex(text) || !os::exists(containers_)) return std::nullopt;
  std::vector<std::string> matches;
  for (auto& name : os::list_dir(containers_)) {
    if (is_container_id(name) && name.starts_with(text)) matches.push_back(std::move(name));
  }
  if (matches.size() > 1) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("'{}' is the beginning of {} container ids", text, matches.size()));
  }
  return matches.empty() ? std::nullopt : open(matches.front());
}

Container Containers::get(std::string_view text) const {
  if (auto container = find(text)) return std::move(*container);
  throw Error(ErrorCode::NotFound, fmt::format("no such container: {}", text), "`proa ps -a` lists all containers");
}

std::pair<Container, LiveLock> Containers::stage(const std::string& id) const {
  os::store_call::make_dir_if_absent(containers_, AT_FDCWD);
  os::store_call::make_dir_if_absent(names_, AT_FDCWD);
  const os::Path path = os::join(containers_, "." + id);
  // Between the making of the folder and its lock, it looks like a leftover.
  const auto guard = os::FileLock::acquire(os::join(paths_.data, kSweepLock), os::FileLock::Mode::Shared);
  os::store_call::make_dir(path, AT_FDCWD);
  auto fd = os::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  auto lock = LiveLock::try_take(fd.get());
  if (!lock) throw Error(ErrorCode::InUse, fmt::format("the new folder of container {} is held by others", id));
  return {Container(id, path, std::move(fd)), std::move(*lock)};
}

void Containers::claim(const std::string& name, const std::string& id) const {
  const os::Path link = os::join(names_, name);
  for (int attempt = 0; attempt < 3; ++attempt) {
    try {
      os::store_call::symlink(link_target(id), link, AT_FDCWD);
      return;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::AlreadyExists) throw;
    }
    // A link to nothing is left by a creation or removal that died. One at a time looks and removes, else the second
    // would take the link that the first just made.
    const auto lock = os::FileLock::acquire(os::join(paths_.data, "names.lock"), os::FileLock::Mode::Exclusive);
    const auto holder = named_id(link);
    if (holder && has_folder(*holder)) {
      throw Error(ErrorCode::AlreadyExists,
                  fmt::format("the name \"{}\" is in use by container {}", name, holder->substr(0, 12)),
                  "remove that container (`proa rm`), choose another name, or use --replace");
    }
    os::store_call::unlink(link, AT_FDCWD);
  }
  throw Error(ErrorCode::InUse, fmt::format("the name \"{}\" is being claimed by others", name));
}

bool Containers::leads_nowhere(const std::string& name) const {
  const os::Path link = os::join(names_, name);
  const auto id = named_id(link);
  return !(id && has_folder(*id)) && os::try_stat(link);  // a removal takes the name before the folder
}

// In this order: a new container goes from hidden to visible between the two questions.
bool Containers::has_folder(const std::string& id) const {
  return os::exists(os::join(containers_, "." + id)) || os::exists(os::join(containers_, id));
}

void Containers::publish(Container& container) const {
  const os::Path visible = os::join(containers_, container.id());
  os::store_call::rename(container.path(), AT_FDCWD, visible, AT_FDCWD);
  container.path_ = visible;
}

std::string Containers::claim_new_name(const std::string& id) const {
  static constexpr std::array kFirst = {"amber", "brave", "brisk",  "calm",  "clear", "eager", "early", "fair",
                                        "fleet", "fresh", "gentle", "keen",  "light", "lucid", "merry", "quiet",
                                        "rapid", "ready", "sharp",  "sunny", "swift", "tidy",  "vivid", "warm"};
  static constexpr std::array kSecond = {"anchor", "beacon", "bow",    "buoy", "cape", "cove",   "current", "deck",
                                         "fjord",  "gull",   "harbor", "helm", "isle", "keel",   "lagoon",  "mast",
                                         "oar",    "pier",   "prow",   "quay", "reef", "rudder", "sail",    "tide"};
  for (int attempt = 0;; ++attempt) {
    const std::uint64_t number = random_u64();
    std::string name = fmt::format("{}_{}", kFirst[number % kFirst.size()], kSecond[(number >> 16) % kSecond.size()]);
    if (attempt > 2) name += fmt::format("_{}", (number >> 32) % 100000);
    try {
      os::store_call::symlink(link_target(id), os::join(names_, name), AT_FDCWD);
      return name;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::AlreadyExists) throw;
    }
  }
}

void Containers::rename(const Container& container, ContainerRecord record, const std::string& new_name) const {
  spec::check_object_name("container", new_name);
  const std::string old_name = record.name;
  claim(new_name, container.id());
  record.name = new_name;
  container.write_record(record);
  os::store_call::unlink(os::join(names_, old_name), AT_FDCWD);
}

void Containers::hide(Container& container, const std::string& name) const {
  const os::Path hidden = os::join(containers_, "." + container.id());
  if (container.path() != hidden) os::store_call::rename(container.path(), AT_FDCWD, hidden, AT_FDCWD);
  container.path_ = hidden;
  if (!name.empty() && named_id(os::join(names_, name)) == container.id()) {
    os::store_call::unlink(os::join(names_, name), AT_FDCWD);
  }
  drop_uses(paths_.data, container);
}

void Containers::erase(const Container& container) const {
  os::remove_tree(run_dir(container.id()));
  // The lock's file stays while there is anything: a sweep that made another one would step in between.
  for (const auto& name : os::list_dir(container.path())) {
    if (name != "lock") remove_foreign_tree(os::join(container.path(), name));
  }
  const auto guard = os::FileLock::acquire(os::join(paths_.data, kSweepLock), os::FileLock::Mode::Shared);
  os::remove_tree(container.path());
}

void Containers::remove(Container& container, const std::string& name) const {
  hide(container, name);
  erase(container);
}

// By the links, since one that died early has no record. Empty: none leads to it.
std::string Containers::name_of(std::string_view id) const {
  for (auto& name : os::list_dir(names_)) {
    if (named_id(os::join(names_, name)) == id) return std::move(name);
  }
  return {};
}

std::optional<LiveLock> Containers::take_leftover(int folder) const {
  const auto guard = os::FileLock::acquire(os::join(paths_.data, kSweepLock), os::FileLock::Mode::Exclusive);
  try {
    return LiveLock::try_take(folder);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) throw;
    return std::nullopt;
  }
}

void Containers::sweep() const {
  if (!os::exists(containers_)) return;
  for (const auto& name : os::list_dir(containers_)) {
    if (name.size() != 65 || name.front() != '.' || !is_container_id(std::string_view(name).substr(1))) continue;
    os::Path path = os::join(containers_, name);
    auto fd = os::try_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (!fd) continue;
    const auto lock = take_leftover(fd->get());
    if (!lock) continue;
    Container leftover(name.substr(1), std::move(path), std::move(*fd));
    log::debug("removing what is left of container " + leftover.id());
    hide(leftover, name_of(leftover.id()));
    erase(leftover);
  }
}

os::Path Containers::run_dir(std::string_view id) const {
  // Half an id is unique enough, and a long path costs nothing: sockets are named through the folder's descriptor.
  return os::join(os::join(paths_.run, "containers"), id);
}

os::UniqueFd Containers::open_run_dir(std::string_view id) const {
  return os::open(run_dir(id), O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

}  // namespace proa::engine
