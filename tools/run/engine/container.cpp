#include <errno.h>
#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/process.h"
#include "libcommon/os/store_file.h"
#include "tools/run/engine/containers.h"

namespace proa::engine {
namespace {

constexpr std::uint64_t kMaxRecord = 1 << 20;
constexpr const char* kReserved = ".exit.json";
constexpr std::size_t kReservedSize = 4096;  // a block of most file systems

std::optional<std::string> read_record_file(int dir, const char* name) {
  auto fd = os::try_open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0, dir);
  if (!fd) return std::nullopt;
  return os::read_fd(fd->get(), kMaxRecord, name);
}

bool is_frozen(const std::string& cgroup) {
  if (cgroup.empty()) return false;
  const auto text = os::try_read_file(os::join(cgroup, "cgroup.freeze"), 16);
  return text && trim(*text) == "1";
}

std::string loss_reason(const RunState& state) {
  if (state.boot_id != boot_id()) return "the machine was restarted while it ran";
  return "its monitor was killed; the exit code is not known";
}

void find_status(const Container& container, Snapshot& snapshot) {
  snapshot.exit = container.exit();
  if (snapshot.exit) {
    snapshot.status = snapshot.exit->restarting && container.alive() ? Status::Restarting : Status::Exited;
    return;
  }
  const bool alive = container.alive();
  snapshot.state = container.state();
  if (!snapshot.state) return;  // Created, or on its way up
  if (alive) {
    snapshot.status = is_frozen(snapshot.state->cgroup) ? Status::Paused : Status::Running;
    if (snapshot.record.health.check.active()) snapshot.health = container.health();
    return;
  }
  // It may have ended between the two looks.
  snapshot.exit = container.exit();
  snapshot.status = snapshot.exit ? Status::Exited : Status::Lost;
  if (!snapshot.exit) snapshot.problem = loss_reason(*snapshot.state);
}

}  // namespace

std::string_view status_word(Status status) {
  switch (status) {
    case Status::Created:
      return "created";
    case Status::Running:
      return "running";
    case Status::Paused:
      return "paused";
    case Status::Restarting:
      return "restarting";
    case Status::Exited:
    case Status::Lost:
      return "exited";
    case Status::Damaged:
      return "dead";
  }
  return "dead";
}

ContainerRecord Container::record() const {
  const auto text = read_record_file(fd(), "record.json");
  if (!text) throw Error(ErrorCode::Corrupt, fmt::format("container {} has no record", id_.substr(0, 12)));
  ContainerRecord record = ContainerRecord::parse(*text);
  if (record.id != id_)
    throw Error(ErrorCode::Corrupt, fmt::format("container {}: the record is another's", id_.substr(0, 12)));
  return record;
}

std::optional<RunState> Container::state() const {
  const auto text = read_record_file(fd(), "state.json");
  return text ? std::optional(RunState::parse(*text)) : std::nullopt;
}

std::optional<ExitRecord> Container::exit() const {
  const auto text = read_record_file(fd(), "exit.json");
  return text ? std::optional(ExitRecord::parse(*text)) : std::nullopt;
}

std::optional<HealthState> Container::health() const {
  const auto text = read_record_file(fd(), "health.json");
  return text ? std::optional(HealthState::parse(*text)) : std::nullopt;
}

void Container::replace_file(const char* name, const std::string& text) const {
  const std::string temporary = std::string(".") + name;
  os::store_call::unlink(temporary, fd());
  auto file = os::StoreFile::create(temporary, fd());
  file.write(text);
  os::store_call::rename(temporary, fd(), name, fd());
}

void Container::write_record(const ContainerRecord& record) const { replace_file("record.json", record.encode()); }
void Container::write_state(const RunState& state) const { replace_file("state.json", state.encode()); }

void Container::reserve_exit() const {
  os::store_call::unlink(kReserved, fd());
  os::StoreFile::create(kReserved, fd()).write(std::string(kReservedSize, ' '));
}

void Container::write_exit(const ExitRecord& exit) const {
  auto file = os::StoreFile::overwrite(kReserved, fd());
  if (!file) return replace_file("exit.json", exit.encode());
  const std::string text = exit.encode();
  file->write(text);
  file->truncate(text.size());
  os::store_call::rename(kReserved, fd(), "exit.json", fd());
}

void Container::write_health(const HealthState& health) const { replace_file("health.json", health.encode()); }

void Container::clear_run() const {
  os::store_call::unlink("health.json", fd());
  // The exit goes last: without a state file it would look as if the container had never run.
  os::store_call::unlink("state.json", fd());
  os::store_call::unlink("exit.json", fd());
}

Snapshot look_at(const Container& container) {
  Snapshot snapshot;
  try {
    snapshot.record = container.record();
    find_status(container, snapshot);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::Corrupt && error.code() != ErrorCode::Unsupported) throw;
    snapshot.record.id = container.id();
    snapshot.status = Status::Damaged;
    snapshot.problem = error.message();
  }
  return snapshot;
}

void remove_foreign_tree(const os::Path& path) {
  try {
    os::remove_tree(path);
    return;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::PermissionDenied || os::in_user_namespace()) throw;
  }
  auto child = os::fork_process([&] {
    os::enter_user_namespace(os::plan_user_namespace());
    os::remove_tree(path);
    return 0;
  });
  if (!child.wait().success()) {
    throw Error(ErrorCode::PermissionDenied, "cannot delete " + path, "its files belong to ids that are not yours");
  }
}

}  // namespace proa::engine
