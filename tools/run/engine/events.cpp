#include "tools/run/engine/events.h"

#include <fcntl.h>
#include <unistd.h>

#include "libcommon/base/json.h"
#include "libcommon/base/time.h"
#include "libcommon/os/file.h"

namespace proa::engine {
namespace {

using Json = nlohmann::json;

constexpr off_t kRotateAt = 1 << 20;

}  // namespace

std::string Event::encode() const {
  const Json json = {{"time", time}, {"type", type},   {"action", action},        {"id", id},
                     {"name", name}, {"image", image}, {"attributes", attributes}};
  return json_text(json) + "\n";
}

std::optional<Event> Event::parse(std::string_view line) {
  try {
    const Json json = read_json(line);
    return Event{json.at("time"), json.at("type"),  json.at("action"),    json.at("id"),
                 json.at("name"), json.at("image"), json.at("attributes")};
  } catch (const Json::exception&) {
    return std::nullopt;  // cut by a full disk
  }
}

Event container_event(const ContainerRecord& record, const std::string& action,
                      std::map<std::string, std::string> attributes) {
  for (const auto& [key, value] : record.labels) attributes.emplace(key, value);
  return {{}, "container", action, record.id, record.name, record.image, std::move(attributes)};
}

Event volume_event(const std::string& name, const std::string& action) {
  return {{}, "volume", action, name, name, {}, {}};
}

os::Path events_file(const config::Paths& paths) { return os::join(paths.run, "events"); }
os::Path older_events_file(const config::Paths& paths) { return os::join(paths.run, "events.1"); }

void log_event(const config::Paths& paths, Event event) noexcept {
  try {
    if (event.time.empty()) event.time = format_rfc3339(now());
    const os::Path path = events_file(paths);
    const os::UniqueFd file = os::open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    // One write, so that lines of several commands do not mix.
    const std::string line = event.encode();
    if (::write(file.get(), line.data(), line.size()) < 0) return;
    if (::lseek(file.get(), 0, SEEK_END) > kRotateAt) ::rename(path.c_str(), older_events_file(paths).c_str());
  } catch (const std::exception&) {
    // No room, or no directory yet.
  }
}

}  // namespace proa::engine
