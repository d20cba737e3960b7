// logs and attach: what a container writes.
#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/engine/attach.h"
#include "tools/run/engine/log_reader.h"

namespace proa::commands {
namespace {

struct LogsOptions {
  std::vector<std::string> names;
  bool follow = false, timestamps = false, show_names = false, latest = false, details = false;
  std::string tail = "all", since, until;
};

class LogPrinter {
 public:
  LogPrinter(const LogsOptions& options, std::string prefix) : options_(options), prefix_(std::move(prefix)) {
    if (!options.since.empty()) since_ = engine::parse_log_time(options.since, now());
    if (!options.until.empty()) until_ = engine::parse_log_time(options.until, now());
  }

  // Pieces of the file in order; what ends within a line waits for the rest.
  void feed(std::string_view data) {
    rest_ += data;
    std::size_t at = 0;
    for (std::size_t end; (end = rest_.find('\n', at)) != std::string::npos; at = end + 1) {
      line(std::string_view(rest_).substr(at, end - at));
    }
    rest_.erase(0, at);
    std::fflush(stdout);
    std::fflush(stderr);
  }

 private:
  void line(std::string_view text) {
    const auto entry = engine::parse_log_line(text);
    if (!entry) return;
    if (since_ || until_) {
      const auto time = parse_rfc3339(entry->time);
      if (!time || (since_ && *time < *since_) || (until_ && *time > *until_)) return;
    }
    std::FILE* to = entry->stream == "stderr" ? stderr : stdout;
    const auto write = [&](std::string_view part) { std::fwrite(part.data(), 1, part.size(), to); };
    if (at_line_start_) {
      write(prefix_);
      if (options_.timestamps) {
        write(entry->time);
        write(" ");
      }
    }
    write(entry->text);
    if (entry->whole) write("\n");
    at_line_start_ = entry->whole;
  }

  const LogsOptions& options_;
  std::string prefix_, rest_;
  std::optional<Time> since_, until_;
  bool at_line_start_ = true;
};

std::optional<std::uint64_t> tail_lines(const std::string& text) {
  if (text.empty() || text == "all" || text == "-1") return std::nullopt;
  const auto number = parse_integer<std::uint64_t>(text);
  if (!number) throw Error(ErrorCode::InvalidArgument, fmt::format("--tail={}: not a number of lines", text));
  return number;
}

void read_rest(int fd, LogPrinter& printer) {
  std::array<char, 64 * 1024> buffer;
  ssize_t size;
  while ((size = ::read(fd, buffer.data(), buffer.size())) > 0) {
    printer.feed(std::string_view(buffer.data(), static_cast<std::size_t>(size)));
  }
  if (size < 0) throw system_error("read log");
}

// Until the container ends. The monitor tells the end; inotify tells of new lines.
void follow(const engine::Containers& containers, const engine::Container& container, int fd, LogPrinter& printer) {
  const auto socket = engine::ask_monitor(containers, container.id(), monitor::message(monitor::kWait));
  if (!socket) return read_rest(fd, printer);
  const os::UniqueFd notify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!notify.valid() || ::inotify_add_watch(notify.get(), os::fd_path(fd).c_str(), IN_MODIFY) < 0) {
    throw system_error("inotify");
  }
  for (;;) {
    read_rest(fd, printer);
    std::array<pollfd, 2> fds{pollfd{notify.get(), POLLIN, 0}, pollfd{socket->get(), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) throw system_error("poll");
    std::array<char, 4096> events;
    while (::read(notify.get(), events.data(), events.size()) > 0) {
    }
    if (fds[1].revents != 0) break;
  }
  read_rest(fd, printer);
}

int logs(cli::Context&, const LogsOptions& options) {
  const auto lines = tail_lines(options.tail);
  const auto containers = open_containers();
  for (const auto& name : options.names) {
    const auto container = containers.get(name);
    const auto record = container.record();
    if (record.log_driver == "none") {
      throw Error(ErrorCode::InvalidArgument, fmt::format("container {} keeps no log (--log-driver none)", name));
    }
    LogPrinter printer(options, options.show_names ? record.name + " " : "");
    auto fd = os::try_open("ctr.log", O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0, container.fd());
    if (!fd) continue;  // never started
    if (lines) {
      const auto size = static_cast<std::uint64_t>(::lseek(fd->get(), 0, SEEK_END));
      ::lseek(fd->get(), static_cast<off_t>(engine::find_tail(fd->get(), size, *lines)), SEEK_SET);
    }
    if (options.follow) {
      follow(containers, container, fd->get(), printer);
    } else {
      read_rest(fd->get(), printer);
    }
  }
  return 0;
}

struct AttachVerbOptions {
  std::vector<std::string> names;
  bool no_stdin = false, sig_proxy = true, latest = false;
  std::string detach_keys = "ctrl-p,ctrl-q";
};

int attach(cli::Context&, const AttachVerbOptions& options) {
  engine::parse_detach_keys(options.detach_keys);
  const auto containers = open_containers();
  const auto container = containers.get(options.names[0]);
  const auto record = container.record();
  const std::string request = monitor::message(monitor::kAttach, record.stdin_open && !options.no_stdin ? "i" : "");
  const auto socket = engine::ask_monitor(containers, container.id(), request);
  if (!socket) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("container {} is not running", record.name),
                "start it with `proa start --attach`");
  }
  engine::AttachOptions how;
  how.input = !options.no_stdin && record.stdin_open;
  how.terminal = record.terminal;
  how.sig_proxy = options.sig_proxy;
  how.detach_keys = options.detach_keys;
  const auto result = engine::attach(socket->get(), how);
  if (!result.lost) return result.detached ? 0 : result.exit_code;
  throw Error(ErrorCode::Io, fmt::format("container {}: its monitor was killed", record.name));
}

}  // namespace

cli::Command logs_command() {
  return cli::command<LogsOptions>("logs", "Show the output of a container")
      .flag("follow,f", &LogsOptions::follow, "Go on until the container ends")
      .value("tail,n", &LogsOptions::tail, "Begin with the last lines", "NUMBER")
      .value("since", &LogsOptions::since, "Only what was written after this time", "TIME")
      .value("until", &LogsOptions::until, "Only what was written before this time", "TIME")
      .flag("timestamps,t", &LogsOptions::timestamps, "With the time of each line")
      .flag("names", &LogsOptions::show_names, "With the name of the container")
      .positionals("CONTAINER [CONTAINER...]", &LogsOptions::names, 1, cli::kAnyNumber, cli::Complete::Container)
      .runs(logs);
}

cli::Command attach_command() {
  return cli::command<AttachVerbOptions>("attach", "Attach to a running container")
      .flag("no-stdin", &AttachVerbOptions::no_stdin, "Do not attach the input")
      .flag("sig-proxy", &AttachVerbOptions::sig_proxy, "Pass signals on to the command (default true)")
      .value("detach-keys", &AttachVerbOptions::detach_keys, "Keys that leave the container running", "KEYS")
      .positionals("CONTAINER", &AttachVerbOptions::names, 1, 1, cli::Complete::RunningContainer)
      .runs(attach);
}

}  // namespace proa::commands
