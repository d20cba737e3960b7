// ps and port: what there is.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/cli/table.h"
#include "libcommon/network/ports.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"

namespace proa::commands {
namespace {

using Json = nlohmann::json;
using engine::Snapshot;
using engine::Status;

struct PsOptions {
  bool all = false, no_trunc = false, quiet = false, latest = false, size = false, noheading = false;
  std::vector<std::string> filter;
  std::string format, sort;
  int last = 0;
};

std::string ago(const std::string& time) {
  const auto parsed = parse_rfc3339(time);
  return parsed ? human_duration(now() - *parsed) : "unknown time";
}

std::string status_text(const Snapshot& s) {
  switch (s.status) {
    case Status::Created:
      return "Created";
    case Status::Running:
      return "Up " + ago(s.state->started) + (s.health ? " (" + s.health->status + ")" : "");
    case Status::Paused:
      return "Up " + ago(s.state->started) + " (Paused)";
    case Status::Restarting:
      return fmt::format("Restarting ({}) {} ago", s.exit->exit_code, ago(s.exit->finished));
    case Status::Exited:
      return fmt::format("Exited ({}) {} ago", s.exit->exit_code, ago(s.exit->finished));
    case Status::Lost:
      return "Exited (unknown): " + s.problem;
    case Status::Damaged:
      return "Dead: " + s.problem;
  }
  return "";
}

// Runs of ports as docker writes them: "0.0.0.0:8000-8001->80-81/tcp".
std::string ports_text(const engine::ContainerRecord& record) {
  std::vector<std::string> texts;
  for (const auto& port : record.ports) texts.push_back(network::describe(port));
  for (const auto& port : record.exposed) {
    const bool published = std::any_of(record.ports.begin(), record.ports.end(),
                                       [&](const auto& p) { return p.container_text() == port; });
    if (!published) texts.push_back(port);
  }
  return join(texts, ", ");
}

std::string labels_text(const engine::ContainerRecord& record) {
  std::vector<std::string> texts;
  for (const auto& [key, value] : record.labels) texts.push_back(key + "=" + value);
  return join(texts, ",");
}

std::string mounts_text(const engine::ContainerRecord& record) {
  std::vector<std::string> texts;
  for (const auto& mount : record.mounts) texts.push_back(mount.name.empty() ? mount.destination : mount.name);
  return join(texts, ",");
}

std::string command_text(const engine::ContainerRecord& record, bool no_trunc) {
  std::vector<std::string> words = record.entrypoint;
  words.insert(words.end(), record.command.begin(), record.command.end());
  const std::string text = join(words, " ");
  return "\"" + (no_trunc ? text : cli::ellipsis(text, 20)) + "\"";
}

Json row_of(const Snapshot& s, const PsOptions& options) {
  const auto& r = s.record;
  const auto created = parse_rfc3339(r.created);
  Json row = {
      {"ID", options.no_trunc ? r.id : r.id.substr(0, 12)},
      {"Image", r.image},
      {"ImageID", r.image_id.substr(r.image_id.find(':') + 1, 12)},
      {"Command", command_text(r, options.no_trunc)},
      {"CreatedAt", r.created},
      {"Created", created ? std::chrono::duration_cast<std::chrono::seconds>(created->time_since_epoch()).count() : 0},
      {"CreatedHuman", ago(r.created) + " ago"},
      {"RunningFor", ago(r.created) + " ago"},
      {"State", engine::status_word(s.status)},
      {"Status", status_text(s)},
      {"Ports", ports_text(r)},
      {"Names", r.name},
      {"Labels", labels_text(r)},
      {"Mounts", mounts_text(r)},
      {"LocalVolumes", std::to_string(std::count_if(r.mounts.begin(), r.mounts.end(),
                                                    [](const auto& m) { return m.type == "volume"; }))},
      {"Networks", r.network},
      {"AutoRemove", r.auto_remove},
      {"Pid", s.running() ? s.state->pid : 0},
      {"StartedAt", s.state  ? s.state->started
                    : s.exit ? s.exit->started
                             : ""},
      {"ExitedAt", s.exit ? s.exit->finished : ""},
      {"Exited", s.status == Status::Exited || s.status == Status::Lost},
      {"ExitCode", s.exit ? s.exit->exit_code : 0},
      {"Restarts", s.state  ? s.state->restarts
                   : s.exit ? s.exit->restarts
                            : 0},
      {"Pod", ""},
      {"PodName", ""},
      {"IsInfra", false},
      {"Size", ""}};
  return row;
}

bool matches_label(const engine::ContainerRecord& record, std::string_view wanted) {
  const auto parts = cut(wanted, "=");
  const auto found = record.labels.find(std::string(parts ? parts->first : wanted));
  return found != record.labels.end() && (!parts || found->second == parts->second);
}

// One KEY=VALUE; several of one key are alternatives, keys add up.
bool matches(const Snapshot& s, std::string_view key, std::string_view value) {
  const auto& r = s.record;
  if (key == "name") return r.name.find(value) != std::string::npos;
  if (key == "id") return r.id.starts_with(value);
  if (key == "label") return matches_label(r, value);
  if (key == "status") return engine::status_word(s.status) == (value == "stopped" ? "exited" : value);
  if (key == "exited") return s.exit && std::to_string(s.exit->exit_code) == value;
  if (key == "volume") {
    return std::any_of(r.mounts.begin(), r.mounts.end(),
                       [&](const auto& m) { return m.name == value || m.destination == value || m.source == value; });
  }
  if (key == "network") return r.network == value;
  if (key == "ancestor") {
    return r.image == value || r.image.substr(0, r.image.rfind(':')) == value || r.image_id == value ||
           r.image_id.substr(r.image_id.find(':') + 1).starts_with(value);
  }
  throw Error(ErrorCode::InvalidArgument, fmt::format("--filter {}={}: unknown", key, value),
              "known: ancestor, exited, id, label, name, network, status, volume");
}

bool passes(const Snapshot& snapshot, const std::vector<std::string>& filters) {
  std::map<std::string, bool> passed;
  for (const auto& filter : filters) {
    const auto parts = cut(filter, "=");
    if (!parts) throw Error(ErrorCode::InvalidArgument, fmt::format("--filter {}: not KEY=VALUE", filter));
    bool& one = passed[std::string(parts->first)];
    one = one || matches(snapshot, parts->first, parts->second);
  }
  return std::all_of(passed.begin(), passed.end(), [](const auto& entry) { return entry.second; });
}

std::vector<Snapshot> select(const engine::Containers& containers, const PsOptions& options) {
  const bool by_status = std::any_of(options.filter.begin(), options.filter.end(), [](const std::string& filter) {
    return filter.starts_with("status=") || filter.starts_with("exited=");
  });
  const int limit = options.latest ? 1 : options.last;
  const bool all = options.all || by_status || limit > 0;
  std::vector<Snapshot> chosen;
  for (const auto& container : containers.list()) {
    Snapshot snapshot = engine::look_at(container);
    if ((all || snapshot.active()) && passes(snapshot, options.filter)) chosen.push_back(std::move(snapshot));
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const Snapshot& a, const Snapshot& b) { return a.record.created > b.record.created; });
  if (limit > 0 && chosen.size() > static_cast<std::size_t>(limit)) chosen.resize(static_cast<std::size_t>(limit));
  return chosen;
}

void sort_rows(Json& rows, const std::string& key) {
  static const std::map<std::string, const char*> fields = {
      {"", ""},           {"created", ""},      {"id", "ID"},          {"image", "Image"},
      {"names", "Names"}, {"status", "Status"}, {"command", "Command"}};
  const auto field = fields.find(key);
  if (field == fields.end()) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--sort={}: unknown", key),
                "use command, created, id, image, names or status");
  }
  const std::string name = field->second;
  if (name.empty()) return;
  std::stable_sort(rows.begin(), rows.end(), [&](const Json& a, const Json& b) { return a.at(name) < b.at(name); });
}

int ps(cli::Context&, const PsOptions& options) {
  if (options.size) not_supported("size", "use `proa system df`");
  const auto containers = open_containers();
  const auto chosen = select(containers, options);
  if (options.quiet && options.format.empty()) {
    for (const auto& s : chosen) print((options.no_trunc ? s.record.id : s.record.id.substr(0, 12)) + "\n");
    return 0;
  }
  Json rows = Json::array();
  for (const auto& snapshot : chosen) rows.push_back(row_of(snapshot, options));
  sort_rows(rows, options.sort);
  const cli::Listing listing{
      "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.CreatedHuman}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}",
      {{"ID", "CONTAINER ID"}, {"CreatedHuman", "CREATED"}, {"RunningFor", "CREATED"}}};
  print(cli::format_listing(listing, options.format, rows, !options.noheading));
  return 0;
}

struct PortOptions {
  std::vector<std::string> words;
  bool all = false;
};

int port(cli::Context&, const PortOptions& options) {
  const auto containers = open_containers();
  if (options.words.empty()) {
    for (const auto& container : containers.list()) {
      const Snapshot snapshot = engine::look_at(container);
      if (!snapshot.running()) continue;
      for (const auto& mapping : snapshot.record.ports) {
        print(fmt::format("{}\t{}\n", container.id().substr(0, 12), network::describe(mapping)));
      }
    }
    return 0;
  }
  const auto record = containers.get(options.words[0]).record();
  std::string wanted = options.words.size() > 1 ? options.words[1] : "";
  if (!wanted.empty() && wanted.find('/') == std::string::npos) wanted += "/tcp";
  bool found = false;
  for (const auto& mapping : record.ports) {
    const std::string text = network::describe(mapping);
    const std::string host = text.substr(0, text.find("->"));
    if (!wanted.empty() && mapping.container_text() != wanted) continue;
    found = true;
    print(wanted.empty() ? fmt::format("{} -> {}\n", mapping.container_text(), host) : host + "\n");
  }
  if (!wanted.empty() && !found) {
    throw Error(ErrorCode::NotFound, fmt::format("port {} of {} is not published", wanted, record.name));
  }
  return 0;
}

}  // namespace

cli::Command ps_command() {
  return cli::command<PsOptions>("ps", "List containers")
      .alias("ls")
      .alias("list")
      .flag("all,a", &PsOptions::all, "Also those that do not run")
      .value("filter,f", &PsOptions::filter, "Only those that match", "KEY=VALUE")
      .value("format", &PsOptions::format, "json, table, or a Go template", "FORMAT")
      .value("last,n", &PsOptions::last, "The last ones, running or not", "NUMBER")
      .flag("latest,l", &PsOptions::latest, "The last one, running or not")
      .flag("no-trunc", &PsOptions::no_trunc, "Whole ids and commands")
      .flag("quiet,q", &PsOptions::quiet, "Ids only")
      .flag("noheading", &PsOptions::noheading, "No line of headings")
      .value("sort", &PsOptions::sort, "command, created, id, image, names or status", "KEY")
      .flag("size,s", &PsOptions::size, "Sizes")
      .hide_last()
      .runs(ps);
}

cli::Command port_command() {
  return cli::command<PortOptions>("port", "List published ports")
      .flag("all,a", &PortOptions::all, "Of all containers that run")
      .positionals("[CONTAINER [PORT[/PROTOCOL]]]", &PortOptions::words, 0, 2, cli::Complete::RunningContainer)
      .runs(port);
}

}  // namespace proa::commands
