// top: the processes of a container, seen from outside. Nothing of the image is run for this (CVE-2022-1227).
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/cli/table.h"
#include "libcommon/os/file.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/engine/usage.h"

namespace proa::commands {
namespace {

struct TopOptions {
  std::vector<std::string> words;  // CONTAINER [COLUMN...] or options of ps
  bool latest = false;
};

// One process, as its files in /proc tell.
struct Process {
  pid_t pid = 0;
  std::map<std::string, std::string> status;  // of /proc/PID/status
  std::vector<std::string> stat;              // of /proc/PID/stat, from the state on
  std::string command;
};

constexpr std::uint64_t kMax = 1 << 16;

Process read_process(pid_t pid) {
  Process process;
  process.pid = pid;
  const std::string folder = fmt::format("/proc/{}/", pid);
  for (const auto& line : split(os::read_file(folder + "status", kMax), '\n')) {
    if (const auto parts = cut(line, ":")) process.status[std::string(parts->first)] = trim(parts->second);
  }
  const std::string stat = os::read_file(folder + "stat", kMax);
  process.stat = split(trim(std::string_view(stat).substr(stat.rfind(')') + 1)), ' ');
  process.command = os::read_file(folder + "cmdline", kMax);
  while (!process.command.empty() && process.command.back() == '\0') process.command.pop_back();
  process.command = replace_all(process.command, std::string_view("\0", 1), " ");
  return process;
}

std::string last_word(const std::string& text) { return split(text, '\t').back(); }

// Fields of /proc/PID/stat by their distance from the state, proc_pid_stat(5).
std::uint64_t number_at(const Process& process, std::size_t at) {
  return at < process.stat.size() ? parse_integer<std::uint64_t>(process.stat[at]).value_or(0) : 0;
}

std::string clock_text(std::uint64_t seconds) {
  return fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::string elapsed(const Process& process) {
  const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  const std::string uptime = os::read_file("/proc/uptime", 256);
  const auto now = parse_integer<std::uint64_t>(uptime.substr(0, uptime.find('.'))).value_or(0);
  const std::uint64_t start = number_at(process, 19) / ticks;
  return clock_text(now > start ? now - start : 0);
}

struct Column {
  const char* names;  // separated by spaces: ours first
  const char* title;
  std::string (*text)(const Process&);
};

const Column kColumns[] = {
    {"user euser uname", "USER", [](const Process& p) { return split(p.status.at("Uid"), '\t').front(); }},
    {"uid huser ruser", "UID", [](const Process& p) { return split(p.status.at("Uid"), '\t').front(); }},
    {"gid group hgroup rgroup", "GROUP", [](const Process& p) { return split(p.status.at("Gid"), '\t').front(); }},
    {"pid", "PID",
     [](const Process& p) {
       return last_word(p.status.contains("NSpid") ? p.status.at("NSpid") : p.status.at("Pid"));
     }},
    {"hpid", "HPID", [](const Process& p) { return std::to_string(p.pid); }},
    {"ppid", "PPID", [](const Process& p) { return p.status.at("PPid"); }},
    {"pgid", "PGID", [](const Process& p) { return last_word(p.status.at("NSpgid")); }},
    {"pcpu %cpu c", "%CPU",
     [](const Process& p) {
       const std::uint64_t used = (number_at(p, 11) + number_at(p, 12)) * 100;
       const std::string uptime = os::read_file("/proc/uptime", 256);
       const auto now = parse_integer<std::uint64_t>(uptime.substr(0, uptime.find('.'))).value_or(0);
       const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
       const std::uint64_t life = now * ticks > number_at(p, 19) ? now * ticks - number_at(p, 19) : 1;
       return fmt::format("{}.{:03}", used / life, used % life * 1000 / life);
     }},
    {"etime", "ELAPSED", elapsed},
    {"stime", "STIME", elapsed},
    {"tty tt", "TTY", [](const Process& p) { return std::string(number_at(p, 4) == 0 ? "?" : "pts"); }},
    {"time", "TIME",
     [](const Process& p) {
       return clock_text((number_at(p, 11) + number_at(p, 12)) / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
     }},
    {"state stat s", "STATE", [](const Process& p) { return p.status.at("State").substr(0, 1); }},
    {"nice ni", "NI", [](const Process& p) { return p.stat.at(16); }},
    {"vsz", "VSZ", [](const Process& p) { return std::to_string(number_at(p, 20) / 1024); }},
    {"rss", "RSS",
     [](const Process& p) {
       return std::to_string(number_at(p, 21) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024);
     }},
    {"comm ucmd", "COMMAND", [](const Process& p) { return p.status.at("Name"); }},
    {"args cmd command", "CMD", [](const Process& p) { return p.command; }},
    {"capeff", "EFFECTIVE CAPS", [](const Process& p) { return p.status.at("CapEff"); }},
    {"seccomp", "SECCOMP", [](const Process& p) { return p.status.at("Seccomp"); }},
};

const Column& column_of(const std::string& name) {
  for (const auto& column : kColumns) {
    const auto names = split(column.names, ' ');
    if (std::find(names.begin(), names.end(), to_lower(name)) != names.end()) return column;
  }
  std::vector<std::string> known;
  for (const auto& column : kColumns) known.push_back(split(column.names, ' ').front());
  throw Error(ErrorCode::InvalidArgument, fmt::format("there is no column '{}'", name), "known: " + join(known, " "));
}

// Names of columns, or the options of ps that choose some: -o, -eo, axo and the like. Others change nothing.
std::vector<std::string> columns_of(const std::vector<std::string>& words) {
  std::vector<std::string> names;
  bool list_follows = false;
  for (std::size_t i = 1; i < words.size(); ++i) {
    for (const auto& word : split(words[i], ' ')) {
      if (word.empty()) continue;
      const bool option = word.front() == '-' || word == "aux" || word == "ax" || word == "axo" || word == "ef";
      if (list_follows || !option) {
        for (const auto& name : split(word, ',')) names.push_back(name.substr(0, name.find('=')));
        list_follows = false;
      } else {
        list_follows = word.ends_with('o');
      }
    }
  }
  if (names.empty()) names = {"user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args"};
  return names;
}

int top(cli::Context&, const TopOptions& typed) {
  TopOptions options = typed;
  const auto containers = open_containers();
  if (options.latest) options.words.insert(options.words.begin(), get_latest(containers).id());
  if (options.words.empty()) throw Error(ErrorCode::InvalidArgument, "no container named");
  const auto snapshot = engine::look_at(containers.get(options.words[0]));
  if (!snapshot.running()) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("container {} is not running", snapshot.record.name));
  }
  std::vector<const Column*> columns;
  std::vector<std::vector<std::string>> rows(1);
  for (const auto& name : columns_of(options.words)) {
    columns.push_back(&column_of(name));
    rows.front().emplace_back(columns.back()->title);
  }
  for (const pid_t pid : engine::processes_of(*snapshot.state)) {
    try {
      const Process process = read_process(pid);
      std::vector<std::string> row;
      for (const auto* column : columns) row.push_back(column->text(process));
      rows.push_back(std::move(row));
    } catch (const std::exception&) {
      // It ended meanwhile, or is not ours to look at.
    }
  }
  print(cli::align_columns(rows));
  return 0;
}

}  // namespace

cli::Command top_command() {
  return cli::command<TopOptions>("top", "List the processes of a container")
      .flag("latest,l", &TopOptions::latest, "The container made last")
      .positionals("CONTAINER [COLUMN...|PS-OPTIONS]", &TopOptions::words, 0, cli::kAnyNumber,
                   cli::Complete::RunningContainer)
      .options_end_at_first_positional()
      .runs(top);
}

}  // namespace proa::commands
