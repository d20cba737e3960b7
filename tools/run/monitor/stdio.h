// The container's stdin, stdout and stderr: pipes or a pty on one side, the log and the clients on the other.
#pragma once

#include <sys/ioctl.h>

#include <array>
#include <string>

#include "libcommon/os/event_loop.h"
#include "libcommon/os/unique_fd.h"
#include "tools/run/monitor/clients.h"
#include "tools/run/monitor/log_writer.h"

namespace proa::monitor {

class Stdio {
 public:
  Stdio(os::EventLoop& loop, Clients& clients, LogWriter& log) : loop_(loop), clients_(clients), log_(log) {}
  ~Stdio();
  Stdio(const Stdio&) = delete;
  Stdio& operator=(const Stdio&) = delete;

  // Without a terminal: pipes that belong to uid:gid, so that the process may open /dev/stdout again. Returns the ends
  // of the container; -1 for a stdin that was not asked for.
  std::array<int, 3> make_pipes(bool with_stdin, unsigned uid, unsigned gid);
  // The process has its ends.
  void close_container_ends();
  void use_terminal(os::UniqueFd master);
  void watch();

  void write_input(std::string_view data);
  void end_input();
  void resize(const winsize& size);
  void pause_output(bool paused);

  // Everything that the container has written so far; then closes. For after its end.
  void drain();

 private:
  struct Output {
    os::UniqueFd fd;
    char type;
    const char* stream;
    bool watched = false;
  };
  bool read_output(Output& output);  // false: nothing there, or the end
  void flush_input();
  void close(Output& output);

  os::EventLoop& loop_;
  Clients& clients_;
  LogWriter& log_;
  os::UniqueFd terminal_;
  os::UniqueFd input_;
  std::array<os::UniqueFd, 3> container_ends_;
  std::array<Output, 2> outputs_{Output{os::UniqueFd(), 'O', "stdout"}, Output{os::UniqueFd(), 'E', "stderr"}};
  std::string pending_input_;
  bool input_ends_ = false, input_watched_ = false;
};

}  // namespace proa::monitor
