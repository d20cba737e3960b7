// logs and attach: what a container writes.
#include <errno.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "libcommon/os/process.h"
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

std::optional<os::UniqueFd> open_log(const engine::Container& container, int number) {
  const std::string name = number == 0 ? "ctr.log" : fmt::format("ctr.log.{}", number);
  return os::try_open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0, container.fd());
}

// The files of a log, oldest first; the last one is still written.
std::vector<os::UniqueFd> open_logs(const engine::Container& container, const engine::ContainerRecord& record) {
  std::vector<os::UniqueFd> files;
  for (int number = std::max(0, record.log_max_files - 1); number >= 0; --number) {
    if (auto file = open_log(container, number)) files.push_back(std::move(*file));
  }
  return files;
}

// Sets every file to where the last `lines` lines of all of them begin.
void seek_tail(const std::vector<os::UniqueFd>& files, std::uint64_t lines) {
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    const auto size = static_cast<std::uint64_t>(::lseek(file->get(), 0, SEEK_END));
    const std::uint64_t begin = engine::find_tail(file->get(), size, lines);
    ::lseek(file->get(), static_cast<off_t>(begin), SEEK_SET);
    if (begin != 0) {
      lines = 0;
    } else {
      lines -= std::min(lines, engine::count_lines(file->get(), size));
    }
  }
}

// Where the file with this inode is among those of the log.
std::optional<int> find_file(const engine::Container& container, ino_t inode, int files) {
  for (int number = 0; number < files; ++number) {
    const auto info = os::try_stat(number == 0 ? "ctr.log" : fmt::format("ctr.log.{}", number), container.fd());
    if (info && info->st_ino == inode) return number;
  }
  return std::nullopt;
}

// The file that was begun after the one with this inode; nullopt: none was. One that is gone is followed by the oldest
// that there is. While files get their next names a look may miss some: only what was seen twice counts.
std::optional<os::UniqueFd> open_successor(const engine::Container& container, ino_t inode, int files) {
  constexpr int kAttempts = 50;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto here = find_file(container, inode, files);
    if (here == 0) return std::nullopt;
    if (here) {
      auto successor = open_log(container, *here - 1);
      if (successor && find_file(container, inode, files) == here) return successor;
    }
    ::poll(nullptr, 0, 1);
  }
  for (int number = files - 1; number >= 0; --number) {
    if (auto oldest = open_log(container, number)) return oldest;
  }
  return std::nullopt;
}

// Until the container ends. The monitor tells the end; inotify tells of new lines. A file that was full has another
// name by then, and a new one has begun.
void follow(const engine::Containers& containers, const engine::Container& container, int files, os::UniqueFd file,
            LogPrinter& printer) {
  const auto socket = engine::ask_monitor(containers, container.id(), monitor::message(monitor::kWait));
  if (!socket) return read_rest(file.get(), printer);
  const os::UniqueFd notify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  const auto watch = [&] {
    if (!notify.valid() ||
        ::inotify_add_watch(notify.get(), os::fd_path(file.get()).c_str(), IN_MODIFY | IN_MOVE_SELF | IN_ATTRIB) < 0) {
      throw system_error("inotify");
    }
  };
  const auto next = [&] {
    auto successor = open_successor(container, os::stat(os::fd_path(file.get()), AT_FDCWD, 0).st_ino, files);
    if (!successor) return false;
    read_rest(file.get(), printer);  // what came before the change of names
    file = std::move(*successor);
    watch();
    return true;
  };
  watch();
  for (bool ended = false;;) {
    read_rest(file.get(), printer);
    if (next()) continue;
    if (ended) return;
    std::array<pollfd, 2> fds{pollfd{notify.get(), POLLIN, 0}, pollfd{socket->get(), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) throw system_error("poll");
    std::array<char, 4096> events;
    while (::read(notify.get(), events.data(), events.size()) > 0) {
    }
    ended = fds[1].revents != 0;
  }
}

void show(const engine::Containers& containers, const engine::Container& container, const std::string& title,
          const LogsOptions& options) {
  const auto record = container.record();
  if (record.log_driver == "none") {
    throw Error(ErrorCode::InvalidArgument, fmt::format("container {} keeps no log (--log-driver none)", record.name));
  }
  LogPrinter printer(options, title);
  auto files = open_logs(container, record);
  if (const auto lines = tail_lines(options.tail)) seek_tail(files, *lines);
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (options.follow && i + 1 == files.size()) {
      follow(containers, container, record.log_max_files, std::move(files[i]), printer);
    } else {
      read_rest(files[i].get(), printer);
    }
  }
}

// Several at once: a process for each, their lines as they come.
int follow_all(const engine::Containers& containers, const std::vector<engine::Container>& chosen,
               const std::vector<std::string>& titles, const LogsOptions& options) {
  std::vector<os::Child> children;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    children.push_back(os::fork_process([&, i] {
      show(containers, chosen[i], titles[i], options);
      return 0;
    }));
  }
  int result = 0;
  for (auto& child : children) result = std::max(result, child.wait().to_exit_code());
  return result;
}

int logs(cli::Context&, const LogsOptions& options) {
  tail_lines(options.tail);  // mistakes before anything is printed
  const auto containers = open_containers();
  std::vector<engine::Container> chosen;
  if (options.latest) chosen.push_back(get_latest(containers));
  for (const auto& name : options.names) chosen.push_back(containers.get(name));
  if (chosen.empty()) throw Error(ErrorCode::InvalidArgument, "no container named");
  std::vector<std::string> titles;
  for (const auto& container : chosen) {
    const std::string name = options.show_names ? container.record().name : container.id().substr(0, 12);
    titles.push_back(options.show_names || chosen.size() > 1 ? name + " " : "");
  }
  if (options.follow && chosen.size() > 1) return follow_all(containers, chosen, titles, options);
  for (std::size_t i = 0; i < chosen.size(); ++i) show(containers, chosen[i], titles[i], options);
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
      .flag("latest,l", &LogsOptions::latest, "The container made last")
      .flag("color", &LogsOptions::details, "Accepted: nothing is coloured")
      .hide_last()
      .flag("details", &LogsOptions::details, "Accepted: there are no further details")
      .hide_last()
      .positionals("[CONTAINER...]", &LogsOptions::names, 0, cli::kAnyNumber, cli::Complete::Container)
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
