#include "tools/run/commands/common.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/paths.h"
#include "libcommon/os/dir.h"
#include "tools/run/commands/container_filter.h"

namespace proa::commands {

engine::Containers open_containers() {
  config::Paths paths = config::find_paths();
  paths.make();
  paths.export_to_environment();
  return engine::Containers(std::move(paths));
}

namespace {

// The one made last.
std::optional<engine::Container> latest(const engine::Containers& containers) {
  std::optional<engine::Container> newest;
  std::string newest_time;
  for (auto& container : containers.list()) {
    const auto snapshot = engine::look_at(container);
    if (newest && snapshot.record.created <= newest_time) continue;
    newest_time = snapshot.record.created;
    newest.emplace(std::move(container));
  }
  return newest;
}

// Containers that were begun and not waited for yet, each with what it was called by.
class Round {
 public:
  Round(bool ignore_missing, std::size_t most) : ignore_missing_(ignore_missing), most_(most) {}

  void begin(const std::string& name, const auto& action) {
    attempt([&] { begun_.emplace_back(name, action()); });
    if (begun_.size() >= most_) finish();
  }

  int finish() {
    for (const auto& one : begun_) {
      attempt([&one] {
        if (one.second) one.second();
        print(escape_control(one.first) + "\n");
      });
    }
    begun_.clear();
    return result_;
  }

 private:
  void attempt(const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      if (error.code() == ErrorCode::NotFound && ignore_missing_) return;
      cli::report(error);
      result_ = error.code() == ErrorCode::NotFound && result_ != 125 ? 1 : 125;
    }
  }

  bool ignore_missing_;
  std::size_t most_;
  int result_ = 0;
  std::vector<std::pair<std::string, std::function<void()>>> begun_;
};

using Begin = std::function<std::function<void()>(engine::Container)>;

int go_through(const engine::Containers& containers, const Selection& selection, bool running_only, std::size_t at_once,
               const Begin& begin) {
  Round round(selection.ignore, at_once);
  for (const auto& name : selection.names) round.begin(name, [&] { return begin(containers.get(name)); });
  if (selection.latest) {
    auto container = latest(containers);
    if (container) round.begin(std::string(container->id()), [&] { return begin(std::move(*container)); });
  }
  if (selection.all || !selection.filter.empty()) {
    const ContainerFilter filter(containers, selection.filter);
    for (auto& container : containers.list()) {
      const auto snapshot = engine::look_at(container);
      if ((running_only && !snapshot.active()) || !filter.passes(snapshot)) continue;
      round.begin(std::string(container.id()), [&] { return begin(std::move(container)); });
    }
  }
  return round.finish();
}

}  // namespace

int for_each(const engine::Containers& containers, const Selection& selection, bool running_only,
             const std::function<void(engine::Container)>& action) {
  return go_through(containers, selection, running_only, 1, [&action](engine::Container container) {
    action(std::move(container));
    return std::function<void()>();
  });
}

int for_each_at_once(const engine::Containers& containers, const Selection& selection, bool running_only,
                     const Begin& begin) {
  constexpr std::size_t kMost = 100;  // descriptors are held for each of them
  return go_through(containers, selection, running_only, kMost, begin);
}

bool confirmed(const std::string& what) {
  print(fmt::format("WARNING! This will remove {}.\nAre you sure you want to continue? [y/N] ", what));
  std::fflush(stdout);
  const int answer = std::getchar();
  return answer == 'y' || answer == 'Y';
}

std::uint64_t tree_size(const os::Path& path) {
  std::uint64_t size = 0;
  try {
    for (const auto& name : os::list_dir(path)) {
      const auto status = os::try_stat(os::join(path, name));
      if (!status) continue;
      size += S_ISDIR(status->st_mode) ? tree_size(os::join(path, name))
                                       : static_cast<std::uint64_t>(status->st_blocks) * 512;
    }
  } catch (const Error&) {
    // A folder of a subordinate id.
  }
  return size;
}

os::UniqueFd open_output(const std::string& path) {
  if (!path.empty() && path != "-") return os::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (::isatty(STDOUT_FILENO) == 1) {
    throw Error(ErrorCode::InvalidArgument, "an archive is not written to a terminal",
                "redirect the output, or name a file with --output");
  }
  os::UniqueFd file(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!file.valid()) throw system_error("duplicate standard output");
  return file;
}

engine::Container get_latest(const engine::Containers& containers) {
  if (auto container = latest(containers)) return std::move(*container);
  throw Error(ErrorCode::NotFound, "there is no container");
}

void exec_program(const std::string& program, std::vector<std::string> words) {
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execvp(program.c_str(), argv.data());
  throw system_error("start " + program);
}

int report_failure(const monitor::Failure& failure) {
  cli::report(Error(ErrorCode::Io, failure.text, failure.hint));
  return failure.exit_code;
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void not_supported(const std::string& flag, const std::string& what_to_do) {
  throw Error(ErrorCode::Unsupported, fmt::format("--{} is not supported yet", split(flag, ',').front()), what_to_do);
}

}  // namespace proa::commands
