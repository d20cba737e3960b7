#include "tools/run/engine/usage.h"

#include <fmt/core.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/dir.h"
#include "libcommon/os/file.h"

namespace proa::engine {
namespace {

constexpr std::uint64_t kMax = 1 << 20;

std::string read_or_empty(const os::Path& path) {
  try {
    return os::try_read_file(path, kMax).value_or("");
  } catch (const Error&) {
    return {};  // it ended meanwhile, or is not ours to look at
  }
}

std::uint64_t machine_memory() {
  struct sysinfo info {};
  ::sysinfo(&info);
  return static_cast<std::uint64_t>(info.totalram) * info.mem_unit;
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  for (auto& word : split(line, ' ')) {
    if (!word.empty()) words.push_back(std::move(word));
  }
  return words;
}

// Fields of /proc/PID/stat after the name, which may hold anything: the state is the first.
std::vector<std::string> stat_fields(pid_t pid) {
  const std::string text = read_or_empty(fmt::format("/proc/{}/stat", pid));
  const auto end = text.rfind(')');
  return end == std::string::npos ? std::vector<std::string>() : words_of(std::string_view(text).substr(end + 1));
}

template <typename Number>
Number number_at(const std::vector<std::string>& fields, std::size_t at) {
  return at < fields.size() ? parse_integer<Number>(fields[at]).value_or(0) : 0;
}

void add_process(pid_t pid, Usage& usage) {
  constexpr std::size_t kUserTime = 11, kSystemTime = 12;  // 14 and 15 of proc_pid_stat(5)
  const auto fields = stat_fields(pid);
  const auto ticks = number_at<std::int64_t>(fields, kUserTime) + number_at<std::int64_t>(fields, kSystemTime);
  usage.cpu += Duration(ticks * (1'000'000'000 / ::sysconf(_SC_CLK_TCK)));
  const auto pages = words_of(trim(read_or_empty(fmt::format("/proc/{}/statm", pid))));
  usage.memory += number_at<std::uint64_t>(pages, 1) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::string io = replace_all(read_or_empty(fmt::format("/proc/{}/io", pid)), ":", "");
  usage.read += value_in(io, "read_bytes");
  usage.written += value_in(io, "write_bytes");
}

void add_group(const os::Path& group, Usage& usage) {
  const auto file = [&](const char* name) { return read_or_empty(os::join(group, name)); };
  if (const auto cpu = file("cpu.stat"); !cpu.empty()) {
    usage.cpu = std::chrono::microseconds(value_in(cpu, "usage_usec"));
  }
  if (const auto memory = parse_integer<std::uint64_t>(trim(file("memory.current")))) {
    // What can be given back at once does not count, as with the peers.
    const std::uint64_t cache = value_in(file("memory.stat"), "inactive_file");
    usage.memory = *memory > cache ? *memory - cache : *memory;
  }
  if (const auto limit = parse_integer<std::uint64_t>(trim(file("memory.max")))) {
    usage.memory_limit = std::min(usage.memory_limit, *limit);
  }
  if (const auto count = parse_integer<std::uint64_t>(trim(file("pids.current")))) usage.processes = *count;
  if (const auto io = file("io.stat"); !io.empty()) std::tie(usage.read, usage.written) = block_bytes(io);
}

}  // namespace

std::uint64_t value_in(std::string_view text, std::string_view key) {
  for (const auto& line : split(text, '\n')) {
    const auto parts = cut(line, " ");
    if (parts && parts->first == key) return parse_integer<std::uint64_t>(trim(parts->second)).value_or(0);
  }
  return 0;
}

std::pair<std::uint64_t, std::uint64_t> network_bytes(std::string_view net_dev) {
  std::pair<std::uint64_t, std::uint64_t> bytes{0, 0};
  for (const auto& line : split(net_dev, '\n')) {
    const auto parts = cut(line, ":");
    if (!parts || trim(parts->first) == "lo") continue;
    const auto fields = words_of(parts->second);
    bytes.first += number_at<std::uint64_t>(fields, 0);
    bytes.second += number_at<std::uint64_t>(fields, 8);
  }
  return bytes;
}

std::pair<std::uint64_t, std::uint64_t> block_bytes(std::string_view io_stat) {
  std::pair<std::uint64_t, std::uint64_t> bytes{0, 0};
  for (const auto& line : split(io_stat, '\n')) {
    for (const auto& word : words_of(line)) {
      if (word.starts_with("rbytes=")) bytes.first += parse_integer<std::uint64_t>(word.substr(7)).value_or(0);
      if (word.starts_with("wbytes=")) bytes.second += parse_integer<std::uint64_t>(word.substr(7)).value_or(0);
    }
  }
  return bytes;
}

std::vector<pid_t> processes_of(const RunState& state) {
  constexpr std::size_t kParent = 1;  // 4 of proc_pid_stat(5)
  const auto space = [](const std::string& pid) {
    const auto status = os::try_stat("/proc/" + pid + "/ns/pid", AT_FDCWD, 0);
    return status ? status->st_ino : 0;
  };
  const auto wanted = space(std::to_string(state.pid));
  const bool own_space = wanted != 0 && wanted != space("self");
  std::vector<pid_t> found;
  std::map<pid_t, pid_t> parents;
  for (const auto& name : os::list_dir("/proc")) {
    const auto pid = parse_integer<pid_t>(name);
    if (!pid) continue;
    try {
      if (own_space && space(name) == wanted) found.push_back(*pid);
    } catch (const Error&) {
      continue;  // not ours to look at
    }
    if (!own_space) parents[*pid] = number_at<pid_t>(stat_fields(*pid), kParent);
  }
  if (own_space) return found;
  std::set<pid_t> ours{state.pid};
  for (std::size_t before = 0; before != ours.size();) {
    before = ours.size();
    for (const auto& [pid, parent] : parents) {
      if (ours.contains(parent)) ours.insert(pid);
    }
  }
  return {ours.begin(), ours.end()};
}

Usage usage_of(const RunState& state) {
  Usage usage;
  usage.memory_limit = machine_memory();
  const auto processes = processes_of(state);
  usage.processes = processes.size();
  for (const pid_t pid : processes) add_process(pid, usage);
  if (!state.cgroup.empty()) add_group(state.cgroup, usage);
  std::tie(usage.received, usage.sent) = network_bytes(read_or_empty(fmt::format("/proc/{}/net/dev", state.pid)));
  usage.taken = now();
  return usage;
}

}  // namespace proa::engine
