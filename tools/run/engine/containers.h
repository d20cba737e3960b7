// The folder of containers: `containers/<id>/`, names as links in `names/`. No database and no lock over all of them.
//
//   containers/.<id>/   being made or being removed; swept when its lock is free
//   containers/<id>/    record.json  lock  [state.json]  [exit.json]  [health.json]  bundle/  upper/  work/  ctr.log
//   names/<name>        -> ../containers/<id>; making the link claims the name
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/config/paths.h"
#include "libcommon/os/unique_fd.h"
#include "tools/run/engine/live_lock.h"
#include "tools/run/engine/record.h"

namespace proa::engine {

enum class Status {
  Created,
  Running,
  Paused,
  Restarting,  // it ended, and its monitor waits before it starts it again
  Exited,
  Lost,     // it ran, and nobody was left to record the end: the monitor was killed, or the machine restarted
  Damaged,  // its record cannot be read
};
std::string_view status_word(Status status);  // as docker says it; Lost is "exited", Damaged "dead"

class Container {
 public:
  Container(std::string id, os::Path path, os::UniqueFd fd)
      : id_(std::move(id)), path_(std::move(path)), fd_(std::move(fd)) {}

  const std::string& id() const { return id_; }
  const os::Path& path() const { return path_; }  // changes with publish() and remove()
  int fd() const { return fd_.get(); }
  os::Path file(std::string_view name) const { return os::join(path_, name); }

  ContainerRecord record() const;
  std::optional<RunState> state() const;
  std::optional<ExitRecord> exit() const;
  std::optional<HealthState> health() const;
  bool alive() const { return LiveLock::held(fd()); }

  void write_record(const ContainerRecord& record) const;
  void write_state(const RunState& state) const;
  // At the start: room for the exit's record, so that a full disk does not take the exit code.
  void reserve_exit() const;
  void write_exit(const ExitRecord& exit) const;
  void write_health(const HealthState& health) const;
  void clear_run() const;  // forgets state and exit before a start

 private:
  friend class Containers;
  void replace_file(const char* name, const std::string& text) const;

  std::string id_;
  os::Path path_;
  os::UniqueFd fd_;
};

// Everything about a container at one moment.
struct Snapshot {
  ContainerRecord record;
  Status status = Status::Created;
  std::optional<RunState> state;  // Running, Paused, Lost
  std::optional<ExitRecord> exit;
  std::optional<HealthState> health;  // while it runs, and has a check
  std::string problem;                // Lost and Damaged: what is known

  bool running() const { return status == Status::Running || status == Status::Paused; }
  // A monitor looks after it.
  bool active() const { return running() || status == Status::Restarting; }
};
Snapshot look_at(const Container& container);

class Containers {
 public:
  explicit Containers(config::Paths paths);

  const config::Paths& paths() const { return paths_; }

  std::vector<Container> list() const;
  // By name, id or unique prefix of an id. NotFound: "no such container: x".
  Container get(std::string_view text) const;
  std::optional<Container> find(std::string_view text) const;

  // A new folder that no listing shows yet, and its lock.
  std::pair<Container, LiveLock> stage(const std::string& id) const;
  // Takes the name for a staged container; AlreadyExists when another one has it. It ends with remove() and sweep().
  void claim(const std::string& name, const std::string& id) const;
  // The same with a free two-word name, which it gives.
  std::string claim_new_name(const std::string& id) const;
  // Makes a container that was staged visible.
  void publish(Container& container) const;
  void rename(const Container& container, ContainerRecord record, const std::string& new_name) const;
  // Takes name, use of the image and visibility; then deletes. The caller holds the lock. What cannot be deleted as
  // this user (files of subordinate ids) is deleted inside the user namespace.
  void remove(Container& container, const std::string& name) const;
  void hide(Container& container, const std::string& name) const;  // the first half: everything but the deletion
  void erase(const Container& container) const;                    // the second half

  // Leftovers of creations and removals that died. Cheap when there are none.
  void sweep() const;
  // The lock of a hidden folder; nullopt when somebody works on it, or it was just removed.
  std::optional<LiveLock> take_leftover(int folder) const;
  // A name that a creation or removal left when it died.
  bool leads_nowhere(const std::string& name) const;

  os::Path run_dir(std::string_view id) const;  // sockets; made by the monitor
  os::UniqueFd open_run_dir(std::string_view id) const;

 private:
  std::optional<Container> open(const std::string& id) const;
  bool has_folder(const std::string& id) const;
  std::string name_of(std::string_view id) const;

  config::Paths paths_;
  os::Path containers_, names_;
};

// Under which name the store keeps the image of a prepared mount for a container.
std::string mount_use(const std::string& container_id, std::size_t position);

// Deletes a tree that may hold files of subordinate ids.
void remove_foreign_tree(const os::Path& path);

}  // namespace proa::engine
