// Delegated cgroups from systemd: the only way to one from a login session, whose scope is not the user's own.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "libcommon/os/dbus.h"
#include "libcommon/os/file.h"
#include "libcommon/os/unique_fd.h"

namespace proa::os {

// The systemd that makes groups for us: the user's own, for real root the machine's.
struct SystemdManager {
  Path socket;        // private to the owner; speaks D-Bus without a bus between
  uid_t uid = 0;      // as the peer sees us, outside of any user namespace
  std::string slice;  // where scopes of ours go
  Path cgroup;        // absolute: its units get the controllers of this group
};
// nullopt: there is none (another init, a session without pam_systemd).
std::optional<SystemdManager> find_systemd();

// A connection to it, step by step so that the caller can do something else while systemd works.
class SystemdConnection {
 public:
  // Connects and starts to authenticate. Throws Unavailable.
  explicit SystemdConnection(const SystemdManager& manager);

  // Asks for a scope that holds this process, with all controllers that can be had, ours to divide (Delegate=yes).
  void request_scope(const std::string& unit, const std::string& slice, const std::string& description);
  // Waits for it; the absolute directory of its group. It lives until its last process ends; then systemd removes it
  // with all groups below.
  Path wait_for_scope();

  // Moves a process into a group below a delegated unit ("/init"), across the border of a session.
  void attach(const std::string& unit, const std::string& subgroup, pid_t pid);

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  void finish_authentication();
  void send(const dbus::Call& call);
  bool fill(Deadline deadline);
  dbus::Message receive();
  dbus::Message wait_for_return();

  UniqueFd socket_;
  std::string buffer_;
  std::string unit_;
  std::uint32_t serial_ = 0;
  Deadline deadline_;
  bool authenticated_ = false;
};

}  // namespace proa::os
