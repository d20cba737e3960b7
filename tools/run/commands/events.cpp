// events: what happened, and what happens.
#include <errno.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/cli/template.h"
#include "libcommon/os/file.h"
#include "tools/run/commands/commands.h"
#include "tools/run/commands/common.h"
#include "tools/run/commands/filters.h"
#include "tools/run/engine/events.h"
#include "tools/run/engine/log_reader.h"

namespace proa::commands {
namespace {

using engine::Event;
using Json = nlohmann::json;

struct EventOptions {
  std::vector<std::string> filter;
  std::string format;
  std::optional<std::string> since, until;
  bool stream = true, no_trunc = true;
};

// docker's words where they differ from podman's.
std::string docker_action(const std::string& action) {
  if (action == "died") return "die";
  if (action == "remove") return "destroy";
  return action;
}

// podman's members, and docker's beside them.
Json event_json(const Event& event) {
  const auto time = parse_rfc3339(event.time).value_or(Time{});
  const auto nanoseconds = time.time_since_epoch().count();
  Json attributes = event.attributes;
  Json actor = event.attributes;
  if (!event.image.empty()) actor["image"] = event.image;
  actor["name"] = event.name;
  const auto code = event.attributes.find("containerExitCode");
  if (code != event.attributes.end()) actor["exitCode"] = code->second;
  const auto health = event.attributes.find("health_status");
  return {{"ID", event.id},
          {"Name", event.name},
          {"Image", event.image},
          {"Type", event.type},
          {"Status", event.action},
          {"Time", event.time},
          {"time", nanoseconds / 1'000'000'000},
          {"timeNano", nanoseconds},
          {"Attributes", attributes},
          {"ContainerExitCode", code == event.attributes.end() ? 0 : parse_integer<int>(code->second).value_or(0)},
          {"HealthStatus", health == event.attributes.end() ? "" : health->second},
          {"Network", ""},
          {"Error", ""},
          {"PodID", ""},
          {"Details", {{"PodID", ""}, {"ContainerInspectData", ""}}},
          {"status", docker_action(event.action)},
          {"id", event.id},
          {"from", event.image},
          {"Action", docker_action(event.action)},
          {"Actor", {{"ID", event.id}, {"Attributes", actor}}},
          {"scope", "local"}};
}

std::string event_text(const Event& event, bool no_trunc) {
  std::vector<std::string> details;
  if (!event.image.empty()) details.push_back("image=" + event.image);
  details.push_back("name=" + event.name);
  for (const auto& [key, value] : event.attributes) details.push_back(key + "=" + value);
  const std::string id = no_trunc || event.id.size() != 64 ? event.id : event.id.substr(0, 12);
  return fmt::format("{} {} {} {} ({})", event.time, event.type, event.action, id, escape_control(join(details, ", ")));
}

bool matches(const Event& event, const Filter& filter) {
  const auto& value = filter.value;
  if (filter.key == "container") {
    return event.type == "container" && (event.name == value || (!value.empty() && event.id.starts_with(value)));
  }
  if (filter.key == "event" || filter.key == "status") {
    return event.action == value || docker_action(event.action) == value;
  }
  if (filter.key == "image") return event.image == value || event.image.substr(0, event.image.rfind(':')) == value;
  if (filter.key == "type") return event.type == value;
  if (filter.key == "volume") return event.type == "volume" && event.name.starts_with(value);
  if (filter.key == "label") return has_label(event.attributes, value);
  if (filter.key == "pod" || filter.key == "network" || filter.key == "daemon" || filter.key == "scope") return false;
  unknown_filter(filter, "container, event, image, label, type, volume");
}

class EventPrinter {
 public:
  explicit EventPrinter(const EventOptions& options) : options_(options), filters_(parse_filters(options.filter)) {
    matches_all({"", "container", "start", "", "", "", {}});  // names of filters that are none
    if (!options.format.empty() && options.format != "json") template_ = cli::Template::parse(options.format);
    if (options.since) since_ = engine::parse_log_time(*options.since, now());
    if (options.until) until_ = engine::parse_log_time(*options.until, now());
  }

  const std::optional<Time>& until() const { return until_; }

  void feed(std::string_view data) {
    rest_ += data;
    std::size_t at = 0;
    for (std::size_t end; (end = rest_.find('\n', at)) != std::string::npos; at = end + 1) {
      if (const auto event = Event::parse(std::string_view(rest_).substr(at, end - at))) show(*event);
    }
    rest_.erase(0, at);
    std::fflush(stdout);
  }

 private:
  bool matches_all(const Event& event) const {
    return pass_all(filters_, [&](const Filter& filter) { return matches(event, filter); });
  }

  void show(const Event& event) const {
    const auto time = parse_rfc3339(event.time);
    if (!time || (since_ && *time < *since_) || (until_ && *time > *until_) || !matches_all(event)) return;
    if (template_) {
      print(template_->render(event_json(event)) + "\n");
    } else if (options_.format == "json") {
      print(json_text(event_json(event)) + "\n");
    } else {
      print(event_text(event, options_.no_trunc) + "\n");
    }
  }

  const EventOptions& options_;
  std::vector<Filter> filters_;
  std::optional<cli::Template> template_;
  std::optional<Time> since_, until_;
  std::string rest_;
};

void read_rest(int fd, EventPrinter& printer) {
  std::array<std::byte, 64 * 1024> buffer;
  while (const std::size_t size = os::read_some(fd, buffer, "events")) {
    printer.feed({reinterpret_cast<const char*>(buffer.data()), size});
  }
}

os::UniqueFd open_events(const config::Paths& paths) {
  return os::open(engine::events_file(paths), O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int wait_time(const std::optional<Time>& until) {
  if (!until) return -1;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*until - now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left + 1, 0, 3'600'000));
}

// The folder is watched: a full file gets another name, and a new one begins.
void follow(const config::Paths& paths, os::UniqueFd file, EventPrinter& printer) {
  const os::UniqueFd notify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!notify.valid() ||
      ::inotify_add_watch(notify.get(), paths.run.c_str(), IN_MODIFY | IN_MOVED_FROM | IN_CREATE) < 0) {
    throw system_error("inotify");
  }
  for (;;) {
    read_rest(file.get(), printer);
    const auto here = os::stat(os::fd_path(file.get()), AT_FDCWD, 0);
    const auto named = os::try_stat(engine::events_file(paths));
    if (named && named->st_ino != here.st_ino) {
      read_rest(file.get(), printer);
      file = open_events(paths);
      continue;
    }
    if (printer.until() && now() > *printer.until()) return;
    pollfd wanted{notify.get(), POLLIN, 0};
    if (::poll(&wanted, 1, wait_time(printer.until())) < 0 && errno != EINTR) throw system_error("poll");
    std::array<char, 4096> drained;
    while (::read(notify.get(), drained.data(), drained.size()) > 0) {
    }
  }
}

int events(cli::Context&, const EventOptions& options) {
  const auto containers = open_containers();
  const auto& paths = containers.paths();
  EventPrinter printer(options);
  const bool past = options.since.has_value() || options.until.has_value() || !options.stream;
  auto file = open_events(paths);
  if (past) {
    if (const auto older = os::try_open(engine::older_events_file(paths), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) {
      read_rest(older->get(), printer);
    }
    read_rest(file.get(), printer);
  } else {
    ::lseek(file.get(), 0, SEEK_END);
  }
  if (options.stream) follow(paths, std::move(file), printer);
  return 0;
}

}  // namespace

cli::Command events_command() {
  return cli::command<EventOptions>("events", "Show what happens to containers and volumes")
      .value("filter,f", &EventOptions::filter, "Only those that match", "KEY=VALUE")
      .value("format", &EventOptions::format, "json, or a Go template", "FORMAT")
      .value("since", &EventOptions::since, "Begin with this time", "TIME")
      .value("until", &EventOptions::until, "End with this time", "TIME")
      .flag("stream", &EventOptions::stream, "Go on (default true)")
      .flag("no-trunc", &EventOptions::no_trunc, "Whole ids (default true)")
      .runs(events);
}

}  // namespace proa::commands
