#include "libcommon/os/cgroup.h"

#include <fmt/core.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::os {
namespace {

constexpr const char* kMount = "/sys/fs/cgroup";
constexpr std::uint64_t kMaxFile = 1u << 20;

constexpr const char* kMonitorGroup = "monitor";
constexpr std::array kStatistics = {"memory", "pids", "io"};  // switched on wherever they can be had

std::vector<std::string> words_of(const Path& file) {
  std::vector<std::string> words;
  for (auto& word : split(trim(try_read_file(file, kMaxFile).value_or("")), ' ')) {
    if (!word.empty()) words.push_back(std::move(word));
  }
  return words;
}

bool may_make_groups(const Path& directory) {
  return ::access(directory.c_str(), W_OK) == 0 && ::access(join(directory, "cgroup.procs").c_str(), W_OK) == 0;
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// The longest directory that both lie in.
Path common_group(const Path& a, const Path& b) {
  Path common;
  const auto left = split(a, '/'), right = split(b, '/');
  for (std::size_t i = 1; i < std::min(left.size(), right.size()) && left[i] == right[i]; ++i) common += "/" + left[i];
  return common;
}

}  // namespace

Path own_cgroup() {
  for (const auto& line : split(read_file("/proc/self/cgroup", kMaxFile), '\n')) {
    if (line.starts_with("0::")) return line.substr(3);
  }
  return {};
}

CgroupFacts gather_cgroup_facts() {
  CgroupFacts facts;
  struct statfs info {};
  facts.unified = ::statfs(kMount, &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC;
  if (!facts.unified) return facts;
  facts.systemd = find_systemd();
  // A group that holds processes cannot hand controllers on (the rule of no internal processes), so ours becomes a
  // sibling of our own group. Moving there needs the right to write to the common parent: root has it at the top, a
  // user inside of user@.service.
  const Path own = own_cgroup();
  if (may_make_groups(kMount)) {
    facts.delegated = kMount;
  } else if (auto parent = own.rfind('/'); parent != std::string::npos && parent > 0) {
    Path candidate = kMount + own.substr(0, parent);
    if (may_make_groups(candidate)) facts.delegated = candidate;
  }
  const Path& source = facts.systemd ? facts.systemd->cgroup : facts.delegated;
  if (!source.empty()) facts.controllers = cgroup_controllers(source);
  return facts;
}

std::vector<std::string> cgroup_controllers(const Path& directory) {
  return words_of(join(directory, "cgroup.controllers"));
}

CgroupPlace::CgroupPlace(const CgroupFacts& facts, std::string name)
    : name_(std::move(name)), directory_(facts.delegated) {
  // The number tells this run from one before it that systemd is about to clear away.
  if (facts.systemd) ask(*facts.systemd, fmt::format("{}-{}.scope", name_, ::getpid()), facts.systemd->slice);
}

CgroupPlace::CgroupPlace(const SystemdManager& manager, const std::string& unit, const std::string& slice) {
  ask(manager, unit, slice);
}

void CgroupPlace::ask(const SystemdManager& manager, const std::string& unit, const std::string& slice) {
  try {
    systemd_.emplace(manager);
    systemd_->request_scope(unit, slice, "container");
  } catch (const Error& error) {
    systemd_.reset();
    problem_ = error.message();
  }
}

void CgroupPlace::settle() {
  try {
    const Path scope = systemd_->wait_for_scope();
    const Path monitor = join(scope, kMonitorGroup);
    if (::mkdir(monitor.c_str(), 0755) != 0) throw system_error("mkdir " + monitor);
    Cgroup::open(monitor).add(::getpid());
    directory_ = scope;
    in_scope_ = true;
  } catch (const Error& error) {
    problem_ = error.message();
  }
  systemd_.reset();
}

const Path& CgroupPlace::directory() {
  if (systemd_) settle();
  return directory_;
}

Path CgroupPlace::group() {
  if (directory().empty()) return {};
  return join(directory_, in_scope_ ? "container" : name_);
}

void approach_cgroup(const Path& group) {
  const Path common = common_group(kMount + own_cgroup(), group);
  if (::access(join(common, "cgroup.procs").c_str(), W_OK) == 0) return;
  const While approaching{"entering the container's cgroup"};
  const auto systemd = find_systemd();
  const auto scope = group.rfind(".scope/");
  if (!systemd || scope == std::string::npos) {
    throw Error(ErrorCode::PermissionDenied, "it is out of reach of " + own_cgroup(),
                "use the session in which the container was started");
  }
  const auto begin = group.rfind('/', scope) + 1;
  SystemdConnection(*systemd).attach(group.substr(begin, scope + 6 - begin), std::string("/") + kMonitorGroup,
                                     ::getpid());
}

Cgroup Cgroup::create(Path directory, const std::vector<std::string>& needed) {
  const Path parent = directory.substr(0, directory.rfind('/'));
  const Path control = join(parent, "cgroup.subtree_control");
  const auto active = words_of(control);
  for (const auto& controller : needed) {
    if (contains(active, controller)) continue;
    const UniqueFd fd = os::open(control, O_WRONLY);
    write_all(fd.get(), "+" + controller, fmt::format("{} (controller {})", control, controller));
  }
  const auto offered = words_of(join(parent, "cgroup.controllers"));
  for (const std::string controller : kStatistics) {
    if (contains(active, controller) || contains(needed, controller) || !contains(offered, controller)) continue;
    const std::string word = "+" + controller;
    const UniqueFd fd(::open(control.c_str(), O_WRONLY | O_CLOEXEC));
    [[maybe_unused]] const auto written = ::write(fd.get(), word.data(), word.size());
  }
  if (::mkdir(directory.c_str(), 0755) != 0) throw system_error("mkdir " + directory);
  return Cgroup(std::move(directory));
}

Cgroup Cgroup::open(Path directory) { return Cgroup(std::move(directory)); }

void Cgroup::set(const std::string& file, const std::string& value) const {
  Path path = join(directory_, file);
  UniqueFd fd = os::open(path, O_WRONLY);
  write_all(fd.get(), value, fmt::format("{} ({})", path, value));
}

void Cgroup::add(pid_t pid) const { set("cgroup.procs", std::to_string(pid)); }
void Cgroup::freeze(bool frozen) const { set("cgroup.freeze", frozen ? "1" : "0"); }

std::vector<pid_t> Cgroup::processes() const {
  std::vector<pid_t> pids;
  for (const auto& line : split(try_read_file(join(directory_, "cgroup.procs"), kMaxFile).value_or(""), '\n')) {
    if (auto pid = parse_integer<pid_t>(line)) pids.push_back(*pid);
  }
  return pids;
}

void Cgroup::kill_all() const {
  if (auto fd = try_open(join(directory_, "cgroup.kill"), O_WRONLY)) {
    write_all(fd->get(), "1", "cgroup.kill");
    return;
  }
  for (pid_t pid : processes()) ::kill(pid, SIGKILL);
}

void Cgroup::remove() const {
  using namespace std::chrono_literals;
  // The last process may be a zombie still for a moment.
  for (int tries = 0; ::rmdir(directory_.c_str()) != 0; ++tries) {
    int error = errno;
    if (error == ENOENT) return;
    if (error != EBUSY || tries == 100) throw system_error("rmdir " + directory_, error);
    std::this_thread::sleep_for(5ms);
  }
}

}  // namespace proa::os
