// stats: what containers take of the machine.
#include <fmt/core.h>
#include <poll.h>

#include <map>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/time.h"
#include "libcommon/cli/table.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/engine/usage.h"

namespace proa::commands {
namespace {

using engine::Usage;
using Json = nlohmann::json;

struct StatsOptions {
  std::vector<std::string> names;
  bool all = false, no_stream = false, no_trunc = false, no_reset = false, latest = false;
  std::string format;
  int interval = 5;
};

std::string pair_text(std::uint64_t a, std::uint64_t b) {
  return fmt::format("{} / {}", human_size(static_cast<double>(a)), human_size(static_cast<double>(b)));
}

double percent(double part, double whole) { return whole > 0 ? 100.0 * part / whole : 0; }

// `before`: an earlier look; without one the processor's time since the start counts.
Json row_of(const engine::Snapshot& s, const Usage& now, const Usage* before, bool no_trunc) {
  const auto& r = s.record;
  const Time started = s.state ? parse_rfc3339(s.state->started).value_or(now.taken) : now.taken;
  const Duration up = now.taken - started;
  const double average = percent(static_cast<double>(now.cpu.count()), static_cast<double>(up.count()));
  const double cpu = before == nullptr ? average
                                       : percent(static_cast<double>((now.cpu - before->cpu).count()),
                                                 static_cast<double>((now.taken - before->taken).count()));
  const double memory = percent(static_cast<double>(now.memory), static_cast<double>(now.memory_limit));
  const std::string id = no_trunc ? r.id : r.id.substr(0, 12);
  const std::string cpu_text = fmt::format("{:.2f}%", cpu), memory_text = fmt::format("{:.2f}%", memory);
  const std::string average_text = fmt::format("{:.2f}%", average);
  const std::string usage_text = pair_text(now.memory, now.memory_limit);
  const std::string net_text = pair_text(now.received, now.sent), block_text = pair_text(now.read, now.written);
  Json row = {{"ID", id},
              {"Container", id},
              {"ContainerID", r.id},
              {"Name", r.name},
              {"CPUPerc", cpu_text},
              {"CPU", cpu},
              {"AvgCPU", average},
              {"AVGCPU", average_text},
              {"CPUNano", now.cpu.count()},
              {"CPUSystemNano", 0},
              {"SystemNano", now.taken.time_since_epoch().count()},
              {"PerCPU", nullptr},
              {"MemUsage", usage_text},
              {"MemUsageBytes", fmt::format("{} / {}", human_size_binary(static_cast<double>(now.memory)),
                                            human_size_binary(static_cast<double>(now.memory_limit)))},
              {"MemLimit", now.memory_limit},
              {"MemPerc", memory_text},
              {"NetIO", net_text},
              {"NetInput", now.received},
              {"NetOutput", now.sent},
              {"BlockIO", block_text},
              {"BlockInput", now.read},
              {"BlockOutput", now.written},
              {"PIDs", now.processes},
              {"PIDS", now.processes},
              {"Up", format_go_duration(up)},
              {"UpTime", up.count()},
              {"Duration", up.count()}};
  // podman's names in JSON.
  row["id"] = id;
  row["name"] = r.name;
  row["cpu_time"] = format_go_duration(now.cpu);
  row["cpu_percent"] = cpu_text;
  row["avg_cpu"] = average_text;
  row["mem_usage"] = usage_text;
  row["mem_percent"] = memory_text;
  row["net_io"] = net_text;
  row["block_io"] = block_text;
  row["pids"] = std::to_string(now.processes);
  return row;
}

std::vector<engine::Snapshot> chosen(const engine::Containers& containers, const StatsOptions& options) {
  std::vector<engine::Snapshot> all;
  if (options.latest) all.push_back(engine::look_at(get_latest(containers)));
  for (const auto& name : options.names) all.push_back(engine::look_at(containers.get(name)));
  if (!all.empty()) return all;
  for (const auto& container : containers.list()) {
    auto snapshot = engine::look_at(container);
    if (options.all || snapshot.running()) all.push_back(std::move(snapshot));
  }
  return all;
}

int stats(cli::Context&, const StatsOptions& options) {
  if (options.interval < 1) throw Error(ErrorCode::InvalidArgument, "--interval is in seconds, 1 or more");
  const auto containers = open_containers();
  std::map<std::string, Usage> last;
  const cli::Listing listing{
      "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
      {{"CPUPerc", "CPU %"},
       {"MemUsage", "MEM USAGE / LIMIT"},
       {"MemUsageBytes", "MEM USAGE / LIMIT"},
       {"MemPerc", "MEM %"},
       {"NetIO", "NET I/O"},
       {"BlockIO", "BLOCK I/O"},
       {"PIDs", "PIDS"},
       {"AVGCPU", "AVG CPU %"}}};
  for (;;) {
    Json rows = Json::array();
    for (const auto& snapshot : chosen(containers, options)) {
      const Usage usage = snapshot.running() ? engine::usage_of(*snapshot.state) : Usage{};
      const auto before = last.find(snapshot.record.id);
      rows.push_back(row_of(snapshot, usage, before == last.end() ? nullptr : &before->second, options.no_trunc));
      last[snapshot.record.id] = usage;
    }
    const std::string text = cli::format_listing(listing, options.format, rows);
    if (options.no_stream) {
      print(text);
      return 0;
    }
    if (!options.no_reset) print("\x1b[2J\x1b[H");
    print(text);
    std::fflush(stdout);
    ::poll(nullptr, 0, options.interval * 1000);
  }
}

}  // namespace

cli::Command stats_command() {
  return cli::command<StatsOptions>("stats", "Show what containers take of the machine")
      .flag("all,a", &StatsOptions::all, "Also those that do not run")
      .value("format", &StatsOptions::format, "json, table, or a Go template", "FORMAT")
      .value("interval,i", &StatsOptions::interval, "Seconds between two looks (default 5)", "SECONDS")
      .flag("latest,l", &StatsOptions::latest, "The container made last")
      .flag("no-reset", &StatsOptions::no_reset, "Leave the screen as it is")
      .flag("no-stream", &StatsOptions::no_stream, "Look once")
      .flag("no-trunc", &StatsOptions::no_trunc, "Whole ids")
      .positionals("[CONTAINER...]", &StatsOptions::names, 0, cli::kAnyNumber, cli::Complete::RunningContainer)
      .runs(stats);
}

}  // namespace proa::commands
