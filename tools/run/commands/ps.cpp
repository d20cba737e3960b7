// ps and port: what there is.
#include <fmt/core.h>
#include <poll.h>

#include <algorithm>
#include <array>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/cli/table.h"
#include "libcommon/network/ports.h"
#include "libcommon/os/file.h"
#include "libcommon/store/store.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/commands/container_filter.h"

namespace proa::commands {
namespace {

using Json = nlohmann::json;
using engine::Snapshot;
using engine::Status;

struct PsOptions {
  bool all = false, no_trunc = false, quiet = false, latest = false, size = false, noheading = false;
  std::vector<std::string> filter;
  std::string format, sort;
  int last = 0, watch = 0;
  bool ns = false, pod = false, external = false, sync = false;
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
      {"Labels", labels_text(r.labels)},
      {"Label", r.labels},
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
      {"Size", ""},
      {"CIDFile", r.cid_file},
      {"Health", s.health ? s.health->status : ""}};
  return row;
}

std::vector<Snapshot> select(const engine::Containers& containers, const PsOptions& options) {
  const ContainerFilter filter(containers, options.filter);
  const int limit = options.latest ? 1 : options.last;
  const bool all = options.all || filter.names_states() || limit > 0;
  std::vector<Snapshot> chosen;
  for (const auto& container : containers.list()) {
    Snapshot snapshot = engine::look_at(container);
    if ((all || snapshot.active()) && filter.passes(snapshot)) chosen.push_back(std::move(snapshot));
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const Snapshot& a, const Snapshot& b) { return a.record.created > b.record.created; });
  if (limit > 0 && chosen.size() > static_cast<std::size_t>(limit)) chosen.resize(static_cast<std::size_t>(limit));
  return chosen;
}

// What the rows have only when somebody wants to see it: it costs reading.
void add_namespaces(const Snapshot& s, Json& row) {
  Json spaces = Json::object();
  static constexpr std::array kKinds = {
      std::pair("cgroup", "Cgroup"), std::pair("ipc", "IPC"),   std::pair("mnt", "MNT"), std::pair("net", "NET"),
      std::pair("pid", "PIDNS"),     std::pair("user", "User"), std::pair("uts", "UTS")};
  for (const auto& [file, name] : kKinds) {
    std::string number;
    try {
      const std::string link = s.running() ? os::read_link(fmt::format("/proc/{}/ns/{}", s.state->pid, file)) : "";
      if (const auto at = link.find('['); at != std::string::npos) number = link.substr(at + 1, link.size() - at - 2);
    } catch (const Error&) {
      // It ended just now.
    }
    spaces[name] = number;
    row[name] = number;
  }
  row["CGROUPNS"] = spaces["Cgroup"];
  row["USERNS"] = spaces["User"];
  row["Namespaces"] = spaces;
}

void add_size(const engine::Containers& containers, const Snapshot& s, Json& row) {
  const auto container = containers.find(s.record.id);
  const std::uint64_t own = container ? tree_size(container->file("upper")) : 0;
  const auto store = store::Store::try_open(containers.paths().data);
  const auto image = store ? store->find(s.record.image_id) : std::nullopt;
  row["SizeRw"] = own;
  row["Size"] = fmt::format("{} (virtual {})", human_size(static_cast<double>(own), 3),
                            human_size(static_cast<double>(own + (image ? image->size : 0)), 3));
}

// `--format json` as podman has it: lists and objects where tables have texts.
Json json_row(const Snapshot& s, Json row) {
  const auto& r = s.record;
  std::vector<std::string> words = r.entrypoint;
  words.insert(words.end(), r.command.begin(), r.command.end());
  Json ports = Json::array(), mounts = Json::array();
  for (const auto& port : r.ports) {
    ports.push_back({{"host_ip", port.host_ip},
                     {"container_port", port.container_port},
                     {"host_port", port.host_ports.first},
                     {"range", 1},
                     {"protocol", port.protocol}});
  }
  for (const auto& mount : r.mounts) mounts.push_back(mount.destination);
  row["Id"] = r.id;
  row["ID"] = r.id;
  row["ImageID"] = r.image_id.substr(r.image_id.find(':') + 1);
  row["Command"] = words;
  row["Names"] = {r.name};
  row["Labels"] = r.labels;
  row["Networks"] = {r.network};
  row["Mounts"] = mounts;
  row["Ports"] = ports;
  row["CIDFile"] = r.cid_file;
  row.erase("Label");
  row.erase("CreatedHuman");
  return row;
}

void sort_chosen(std::vector<Snapshot>& chosen, const std::string& key) {
  const auto by = [&](auto text) {
    std::stable_sort(chosen.begin(), chosen.end(),
                     [&](const Snapshot& a, const Snapshot& b) { return text(a) < text(b); });
  };
  const auto started = [](const Snapshot& s) { return s.state ? s.state->started : s.exit ? s.exit->started : ""; };
  if (key.empty() || key == "created") return;  // newest first, as they are
  if (key == "id") return by([](const Snapshot& s) { return s.record.id; });
  if (key == "image") return by([](const Snapshot& s) { return s.record.image; });
  if (key == "names") return by([](const Snapshot& s) { return s.record.name; });
  if (key == "status") return by(status_text);
  if (key == "runningfor") return by(started);
  if (key == "command") return by([](const Snapshot& s) { return command_text(s.record, true); });
  if (key == "size") return;
  throw Error(ErrorCode::InvalidArgument, fmt::format("--sort={}: unknown", key),
              "use command, created, id, image, names, runningfor, size or status");
}

bool wants_namespaces(const PsOptions& options) {
  if (options.ns || options.format == "json") return true;
  for (const char* word : {"Namespaces", "NS", "NET", "MNT", "IPC", "UTS", "Cgroup", ".User"}) {
    if (options.format.find(word) != std::string::npos) return true;
  }
  return false;
}

std::string default_columns(const PsOptions& options) {
  if (options.ns) {
    return "table {{.ID}}\t{{.Names}}\t{{.Pid}}\t{{.CGROUPNS}}\t{{.IPC}}\t{{.MNT}}\t{{.NET}}\t{{.PIDNS}}\t"
           "{{.USERNS}}\t{{.UTS}}";
  }
  std::string columns =
      "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.CreatedHuman}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
  if (options.pod) columns += "\t{{.Pod}}\t{{.PodName}}";
  if (options.size) columns += "\t{{.Size}}";
  return columns;
}

void list(const engine::Containers& containers, const PsOptions& options) {
  auto chosen = select(containers, options);
  sort_chosen(chosen, options.sort);
  if (options.quiet && options.format.empty()) {
    for (const auto& s : chosen) print((options.no_trunc ? s.record.id : s.record.id.substr(0, 12)) + "\n");
    return;
  }
  const bool namespaces = wants_namespaces(options);
  Json rows = Json::array();
  for (const auto& snapshot : chosen) {
    Json row = row_of(snapshot, options);
    if (namespaces) add_namespaces(snapshot, row);
    if (options.size) add_size(containers, snapshot, row);
    rows.push_back(options.format == "json" ? json_row(snapshot, std::move(row)) : std::move(row));
  }
  if (options.sort == "size") {
    std::stable_sort(rows.begin(), rows.end(), [](const Json& a, const Json& b) {
      return a.value("SizeRw", std::uint64_t{0}) < b.value("SizeRw", std::uint64_t{0});
    });
  }
  const cli::Listing listing{default_columns(options),
                             {{"ID", "CONTAINER ID"},
                              {"CreatedHuman", "CREATED"},
                              {"RunningFor", "CREATED"},
                              {"Pod", "POD ID"},
                              {"Label", "LABEL"}}};
  print(cli::format_listing(listing, options.format, rows, !options.noheading));
}

int ps(cli::Context&, const PsOptions& options) {
  const auto containers = open_containers();
  list(containers, options);
  while (options.watch > 0) {
    std::fflush(stdout);
    ::poll(nullptr, 0, options.watch * 1000);
    print("\x1b[2J\x1b[H");
    list(containers, options);
  }
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
      .value("sort", &PsOptions::sort, "command, created, id, image, names, runningfor, size or status", "KEY")
      .flag("size,s", &PsOptions::size, "With the sizes of their files")
      .flag("ns", &PsOptions::ns, "With their namespaces")
      .flag("pod,p", &PsOptions::pod, "With their pods, of which there are none")
      .value("watch,w", &PsOptions::watch, "List again after so many seconds", "SECONDS")
      .flag("external", &PsOptions::external, "Accepted: there are no containers of other programs")
      .hide_last()
      .flag("sync", &PsOptions::sync, "Accepted: what is listed is always true")
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
