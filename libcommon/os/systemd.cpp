#include "libcommon/os/systemd.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "libcommon/base/error.h"
#include "libcommon/os/cgroup.h"
#include "libcommon/os/idmap.h"
#include "libcommon/os/socket.h"

namespace proa::os {
namespace {

using std::chrono::steady_clock;

constexpr const char* kGroups = "/sys/fs/cgroup";
constexpr std::chrono::seconds kPatience{10};
constexpr std::size_t kMaxGreeting = 4096;

Error unavailable(const std::string& why) { return Error(ErrorCode::Unavailable, "systemd: " + why); }

dbus::Call manager_call(const char* member, const char* signature, std::string body) {
  return {.path = "/org/freedesktop/systemd1",
          .interface = "org.freedesktop.systemd1.Manager",
          .member = member,
          .destination = "org.freedesktop.systemd1",
          .signature = signature,
          .body = std::move(body)};
}

// One entry of a(sv).
template <typename Value>
void put_property(dbus::Writer& out, const char* name, const char* type, Value value) {
  out.align(8);
  out.text(name);
  out.signature(type);
  value();
}

void put_text(dbus::Writer& out, const char* name, const std::string& text) {
  put_property(out, name, "s", [&] { out.text(text); });
}

std::string scope_body(const std::string& unit, const std::string& slice, const std::string& description) {
  dbus::Writer out;
  out.text(unit);
  out.text("fail");  // rather than replacing a job that waits
  out.array(8, [&] {
    put_text(out, "Description", description);
    put_text(out, "Slice", slice);
    put_property(out, "Delegate", "b", [&] { out.number(1); });
    put_text(out, "CollectMode", "inactive-or-failed");
    put_property(out, "PIDs", "au", [&] { out.array(4, [&] { out.number(static_cast<std::uint32_t>(::getpid())); }); });
  });
  out.array(8, [] {});  // no further units
  return out.take();
}

UniqueFd connect_to(const Path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw unavailable("the path of its socket is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid() || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    throw unavailable(system_error("connect to " + path).message());
  }
  return socket;
}

}  // namespace

std::optional<SystemdManager> find_systemd() {
  SystemdManager found;
  found.uid = ::geteuid();
  if (in_user_namespace()) {
    const auto outside = id_to_outside(current_uid_map(), found.uid);
    if (!outside || *outside == 0) return std::nullopt;
    found.uid = *outside;
  }
  if (found.uid == 0) {
    found.socket = "/run/systemd/private";
    found.slice = "machine.slice";
    found.cgroup = kGroups;
  } else {
    const char* set = std::getenv("XDG_RUNTIME_DIR");
    const Path runtime = set != nullptr && *set == '/' ? Path(set) : fmt::format("/run/user/{}", found.uid);
    found.socket = join(runtime, "systemd/private");
    found.slice = "user.slice";
    found.cgroup = fmt::format("{}/user.slice/user-{}.slice/user@{}.service", kGroups, found.uid, found.uid);
  }
  if (::access(found.socket.c_str(), W_OK) != 0 || !exists(found.cgroup)) return std::nullopt;
  return found;
}

SystemdConnection::SystemdConnection(const SystemdManager& manager)
    : socket_(connect_to(manager.socket)), deadline_(steady_clock::now() + kPatience) {
  std::string hex;
  for (char digit : std::to_string(manager.uid)) hex += fmt::format("{:02x}", digit);
  const std::string greeting = std::string(1, '\0') + "AUTH EXTERNAL " + hex + "\r\nBEGIN\r\n";
  if (::send(socket_.get(), greeting.data(), greeting.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(greeting.size())) {
    throw unavailable("it does not listen");
  }
}

bool SystemdConnection::fill(Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
  pollfd ready{socket_.get(), POLLIN, 0};
  const int count = left.count() <= 0 ? 0 : ::poll(&ready, 1, static_cast<int>(left.count()));
  if (count < 0 && errno == EINTR) return true;
  if (count <= 0) return false;
  char data[4096];
  const ssize_t size = ::recv(socket_.get(), data, sizeof data, 0);
  if (size <= 0) throw unavailable("it closed the connection");
  buffer_.append(data, static_cast<std::size_t>(size));
  return true;
}

void SystemdConnection::finish_authentication() {
  if (authenticated_) return;
  std::size_t end;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    if (buffer_.size() > kMaxGreeting || !fill(deadline_)) throw unavailable("it does not answer");
  }
  if (!buffer_.starts_with("OK ")) throw unavailable("it does not know us");
  buffer_.erase(0, end + 2);
  authenticated_ = true;
}

void SystemdConnection::send(const dbus::Call& call) {
  // Nothing may follow BEGIN before it was answered.
  finish_authentication();
  const std::string bytes = dbus::encode_call(++serial_, call);
  if (::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
    throw unavailable("it closed the connection");
  }
}

dbus::Message SystemdConnection::receive() {
  while (true) {
    if (auto message = dbus::next_message(buffer_)) return std::move(*message);
    if (!fill(deadline_)) throw unavailable("it does not answer");
  }
}

dbus::Message SystemdConnection::wait_for_return() {
  while (true) {
    dbus::Message message = receive();
    if (message.reply_to != serial_) continue;
    if (message.kind == dbus::Message::Kind::Error) {
      throw unavailable(message.signature.starts_with("s") ? dbus::Reader(message.body).text() : message.error);
    }
    if (message.kind == dbus::Message::Kind::Return) return message;
  }
}

void SystemdConnection::request_scope(const std::string& unit, const std::string& slice,
                                      const std::string& description) {
  unit_ = unit;
  send(manager_call("StartTransientUnit", "ssa(sv)a(sa(sv))", scope_body(unit, slice, description)));
}

Path SystemdConnection::wait_for_scope() {
  const While waiting{[&] { return "asking systemd for the scope " + unit_; }};
  // The return only says that the job was queued; the signal, which reaches every direct connection, that it is done.
  wait_for_return();
  while (true) {
    const dbus::Message message = receive();
    if (message.kind != dbus::Message::Kind::Signal || message.member != "JobRemoved") continue;
    dbus::Reader in(message.body);  // uoss: id, job, unit, result
    in.number();
    in.text();
    if (in.text() != unit_) continue;
    if (const std::string result = in.text(); result != "done") throw unavailable("the job ended with " + result);
    break;
  }
  Path own = own_cgroup();
  if (!own.ends_with("/" + unit_)) throw unavailable("it did not move us into the scope");
  return kGroups + own;
}

void SystemdConnection::attach(const std::string& unit, const std::string& subgroup, pid_t pid) {
  dbus::Writer out;
  out.text(unit);
  out.text(subgroup);
  out.array(4, [&] { out.number(static_cast<std::uint32_t>(pid)); });
  send(manager_call("AttachProcessesToUnit", "ssau", out.take()));
  wait_for_return();
}

}  // namespace proa::os
