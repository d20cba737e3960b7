// One small process for each container: parent of its init, owner of its streams, writer of its log and its end. It
// needs nothing from the command that started it.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>

#include "libcommon/os/event_loop.h"
#include "libcommon/os/unique_fd.h"
#include "tools/run/monitor/clients.h"
#include "tools/run/monitor/container_run.h"
#include "tools/run/monitor/health.h"
#include "tools/run/monitor/log_writer.h"
#include "tools/run/monitor/plan.h"
#include "tools/run/monitor/stdio.h"

namespace proa::monitor {

// Forks the monitor; for single-threaded programs. Returns the client's end of their conversation: notes, then kReady
// or kFailure, then what an attached client gets.
os::UniqueFd start_monitor(MonitorPlan plan);

class Monitor {
 public:
  Monitor(MonitorPlan plan, os::UniqueFd client);
  int run();

 private:
  bool bring_up();
  void begin_run(const oci::RuntimeSpec& spec, os::UniqueFd root_mount);
  void open_control_socket();
  void fail(const std::exception& error);
  void become_small();

  void on_signals();
  void on_exit();
  void restart();
  void finish(const engine::ExitRecord& exit);
  void stop(int signal, int seconds);
  void on_unhealthy();
  void note_event(const std::string& action, std::map<std::string, std::string> attributes = {}) const;
  void start_timers();
  bool wants_restart(int exit_code) const;
  void on_message(Clients::Client& client, std::string_view message);
  void send_signal(Clients::Client& client, int signal);

  MonitorPlan plan_;
  os::EventLoop loop_;
  os::SignalFd signals_;
  os::UserNamespacePlan ids_;
  Clients clients_;
  Clients::Client* first_client_;
  LogWriter log_;
  os::UniqueFd listener_;
  std::optional<Stdio> stdio_;
  std::optional<os::CgroupPlace> cgroup_place_;
  std::unique_ptr<ContainerRun> run_;
  std::optional<HealthTimer> health_;
  std::optional<os::EventLoop::TimerId> end_timer_;  // --timeout
  engine::ExitRecord last_exit_;
  bool stopping_ = false, finished_ = false;
  bool restart_wanted_ = false;  // by a health check
  int restarts_ = 0;
  std::optional<os::EventLoop::TimerId> restart_timer_;
  std::chrono::milliseconds restart_delay_{100};
  std::chrono::steady_clock::time_point run_began_;
};

}  // namespace proa::monitor
