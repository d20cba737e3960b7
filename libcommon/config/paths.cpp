#include "libcommon/config/paths.h"

#include <fmt/core.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/user.h"

namespace proa::config {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

os::Path config_home() {
  std::string set = environment("XDG_CONFIG_HOME");
  return set.empty() ? os::join(os::home_directory(), ".config") : set;
}
namespace {

constexpr mode_t kWritableByOthers = S_IWGRP | S_IWOTH;

os::Path absolute(const std::string& path) {
  if (path.find('\n') != std::string::npos) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("\"{}\" cannot be a directory of proa", escape_control(path)));
  }
  if (path.starts_with('/')) return path;
  char* here = ::getcwd(nullptr, 0);
  if (!here) throw system_error("getcwd");
  os::Path joined = os::join(here, path);
  std::free(here);
  return joined;
}

bool belongs_to_another(const os::Path& path) {
  auto status = os::try_stat(path, AT_FDCWD, 0);
  return status && status->st_uid != ::geteuid();
}

// The XDG base directories of this user. Those that belong to another one are passed over; mostly sudo or su left the
// variables of the user they came from.
class BaseDirectories {
 public:
  // Relative ones are invalid and ignored, as the specification says.
  os::Path find(const char* variable, const char* below_home) {
    std::string value = environment(variable);
    const bool absolute = value.starts_with('/');
    if (absolute && !belongs_to_another(value)) return value;
    os::Path usual = os::join(home(), below_home);
    if (absolute) passed_over(variable, value, usual);
    return usual;
  }

  // One line for all of them.
  void say() const {
    if (!line_.empty()) log::note(line_);
  }

 private:
  os::Path home() {
    os::Path home = os::home_directory();
    const std::string set = environment("HOME");
    if (set.starts_with('/') && home != set) passed_over("HOME", set, home);
    return home;
  }

  void passed_over(const char* variable, const std::string& value, const os::Path& instead) {
    if (!line_.empty()) return;
    line_ = fmt::format("{} is {}, which belongs to another user: using {} (`su -` and `sudo -H` set {} right)",
                        variable, escape_control(value), escape_control(instead), variable);
  }

  std::string line_;
};

// A directory that is ours alone, as the specification demands it of XDG_RUNTIME_DIR.
bool is_private(const os::Path& path) {
  auto status = os::try_stat(path, AT_FDCWD, 0);
  return status && S_ISDIR(status->st_mode) && status->st_uid == ::geteuid() &&
         (status->st_mode & kWritableByOthers) == 0;
}

// Names this boot, so that what is left of an earlier one is not taken for running.
std::string boot_name() {
  auto id = os::try_read_file("/proc/sys/kernel/random/boot_id", 64);
  return std::string(trim(id.value_or("unknown"))).substr(0, 8);
}

os::Path default_run_directory(const os::Path& data) {
  if (::geteuid() == 0) return "/run/proa";
  std::string set = environment("XDG_RUNTIME_DIR");
  if (set.starts_with('/') && is_private(set)) return os::join(set, "proa");
  os::Path usual = fmt::format("/run/user/{}", ::geteuid());
  if (is_private(usual)) return os::join(usual, "proa");
  return os::join(data, "run/" + boot_name());
}

os::Path choose(const std::optional<std::string>& flag, const char* variable, const auto& otherwise) {
  if (flag) return absolute(*flag);
  std::string value = environment(variable);
  return value.empty() ? os::Path(otherwise()) : absolute(value);
}

void make_private(const os::Path& path, const char* chosen_by) {
  While making{[&] { return fmt::format("preparing {}", escape_control(path)); }};
  const std::string hint = fmt::format("{} can name another directory", chosen_by);
  try {
    if (!os::exists(path)) os::make_dirs(path, 0700);
  } catch (Error& error) {
    if (!error.hint().empty()) throw;
    throw Error(error.code(), error.message(), hint);
  }
  struct stat status = os::stat(path, AT_FDCWD, 0);
  if (!S_ISDIR(status.st_mode)) throw Error(ErrorCode::InvalidArgument, "not a directory", hint);
  if (status.st_uid != ::geteuid()) throw Error(ErrorCode::PermissionDenied, "it belongs to another user", hint);
  if ((status.st_mode & kWritableByOthers) != 0) {
    throw Error(ErrorCode::PermissionDenied, "other users may write to it",
                fmt::format("chmod go-w {}", escape_control(path)));
  }
  if (::faccessat(AT_FDCWD, path.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    int number = errno;
    throw Error(code_for_errno(number), fmt::format("may not write to it: {}", errno_text(number)), hint);
  }
}

// Directories of earlier boots beside the present one hold nothing that is still true.
void sweep_earlier_boots(const os::Path& data, const os::Path& run) {
  os::Path parent = os::join(data, "run");
  if (!run.starts_with(parent + "/")) return;
  for (const auto& name : os::list_dir(parent)) {
    if (os::join(parent, name) != run) os::remove_tree(os::join(parent, name));
  }
}

os::Path& last_data() {
  static os::Path path;
  return path;
}

}  // namespace

Paths find_paths(const PathOverrides& overrides) {
  if (::getauxval(AT_SECURE) != 0) {
    throw Error(ErrorCode::PermissionDenied, "proa does not run setuid or with file capabilities",
                "it needs no privileges: remove them from the program");
  }
  bool root = ::geteuid() == 0;
  Paths paths;
  BaseDirectories base;
  paths.data = choose(overrides.root, "PROA_ROOT", [&] {
    return root ? os::Path("/var/lib/proa") : os::join(base.find("XDG_DATA_HOME", ".local/share"), "proa");
  });
  paths.run = choose(overrides.runroot, "PROA_RUNROOT", [&] { return default_run_directory(paths.data); });
  paths.cache = choose(std::nullopt, "PROA_CACHE", [&] {
    // A root chosen by hand stands for itself: nothing of it lies elsewhere.
    if (overrides.root || !environment("PROA_ROOT").empty()) return os::join(paths.data, "cache");
    return root ? os::Path("/var/cache/proa") : os::join(base.find("XDG_CACHE_HOME", ".cache"), "proa");
  });
  paths.config = choose(std::nullopt, "PROA_CONFIG", [&] {
    return root ? os::Path("/etc/proa") : os::join(base.find("XDG_CONFIG_HOME", ".config"), "proa");
  });
  base.say();
  last_data() = paths.data;
  return paths;
}

const os::Path& chosen_data() { return last_data(); }

void Paths::make() const {
  make_private(data, "--root, PROA_ROOT or XDG_DATA_HOME");
  make_private(run, "--runroot, PROA_RUNROOT or XDG_RUNTIME_DIR");
  make_private(cache, "PROA_CACHE or XDG_CACHE_HOME");
  sweep_earlier_boots(data, run);
}

bool Paths::first_time(std::string_view what) const {
  const os::Path mark = os::join(run, "said-" + std::string(what));
  const os::UniqueFd fd(::open(mark.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  return fd.valid() || errno != EEXIST;
}

void Paths::export_to_environment() const {
  ::setenv("PROA_ROOT", data.c_str(), 1);
  ::setenv("PROA_RUNROOT", run.c_str(), 1);
  ::setenv("PROA_CACHE", cache.c_str(), 1);
  ::setenv("PROA_CONFIG", config.c_str(), 1);
}

}  // namespace proa::config
