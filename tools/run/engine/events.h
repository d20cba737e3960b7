// What happened to containers and volumes: one line of JSON for each event in `events` of the runtime directory. It
// goes with the boot; when it grows long, its older half is kept as `events.1` until the next time.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "libcommon/config/paths.h"
#include "tools/run/engine/record.h"

namespace proa::engine {

struct Event {
  std::string time;          // RFC 3339; filled by log_event() when empty
  std::string type, action;  // "container", "start": podman's words
  std::string id, name, image;
  std::map<std::string, std::string> attributes;

  std::string encode() const;  // one line
  static std::optional<Event> parse(std::string_view line);
};

Event container_event(const ContainerRecord& record, const std::string& action,
                      std::map<std::string, std::string> attributes = {});
Event volume_event(const std::string& name, const std::string& action);

// Best effort: an event that cannot be written keeps nothing from happening.
void log_event(const config::Paths& paths, Event event) noexcept;

os::Path events_file(const config::Paths& paths);
os::Path older_events_file(const config::Paths& paths);

}  // namespace proa::engine
