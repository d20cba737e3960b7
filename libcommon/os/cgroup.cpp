#include "libcommon/os/cgroup.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"

namespace proa::os {
namespace {

constexpr const char* kMount = "/sys/fs/cgroup";
constexpr std::uint64_t kMaxFile = 1u << 20;

std::string own_group() {
  for (const auto& line : split(read_file("/proc/self/cgroup", kMaxFile), '\n')) {
    if (line.starts_with("0::")) return line.substr(3);
  }
  return {};
}

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

}  // namespace

CgroupFacts gather_cgroup_facts() {
  CgroupFacts facts;
  struct statfs info {};
  facts.unified = ::statfs(kMount, &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC;
  if (!facts.unified) return facts;
  facts.own = own_group();
  // A group that holds processes cannot hand controllers on (the rule of no internal processes), so ours becomes a
  // sibling of our own group. Moving there needs the right to write to the common parent: root has it at the top, a
  // user inside of user@.service.
  if (may_make_groups(kMount)) {
    facts.delegated = kMount;
  } else if (auto parent = facts.own.rfind('/'); parent != std::string::npos && parent > 0) {
    Path candidate = kMount + facts.own.substr(0, parent);
    if (may_make_groups(candidate)) facts.delegated = candidate;
  }
  if (!facts.delegated.empty()) facts.controllers = words_of(join(facts.delegated, "cgroup.controllers"));
  return facts;
}

Cgroup Cgroup::create(const CgroupFacts& facts, const std::string& name, const std::vector<std::string>& controllers) {
  PROA_CHECK(!facts.delegated.empty() && name.find('/') == std::string::npos && name != "." && name != "..");
  Path control = join(facts.delegated, "cgroup.subtree_control");
  auto active = words_of(control);
  for (const auto& controller : controllers) {
    if (std::find(active.begin(), active.end(), controller) != active.end()) continue;
    UniqueFd fd = os::open(control, O_WRONLY);
    write_all(fd.get(), "+" + controller, fmt::format("{} (controller {})", control, controller));
  }
  Path directory = join(facts.delegated, name);
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
