#include "tools/run/commands/container_filter.h"

#include <fmt/core.h>
#include <regex.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/command.h"

namespace proa::commands {
namespace {

using engine::Snapshot;

constexpr const char* kKnown =
    "ancestor, before, command, exited, expose, health, id, label, name, network, publish, restart-policy, since, "
    "status, until, volume";

// As docker and podman match names: a regular expression anywhere in the name.
bool matches_pattern(const std::string& pattern, const std::string& text) {
  if (text.find(pattern) != std::string::npos) return true;
  regex_t compiled;
  if (::regcomp(&compiled, pattern.c_str(), REG_EXTENDED | REG_NOSUB) != 0) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("'{}' is no regular expression", escape_control(pattern)));
  }
  const bool found = ::regexec(&compiled, text.c_str(), 0, nullptr, 0) == 0;
  ::regfree(&compiled);
  return found;
}

bool matches_image(const engine::ContainerRecord& record, const std::string& value) {
  const std::string hex = record.image_id.substr(record.image_id.find(':') + 1);
  const std::string plain = record.image.substr(0, record.image.rfind(':'));
  return record.image == value || plain == value || record.image_id == value ||
         (value.size() >= 4 && is_hex(value) && hex.starts_with(value));
}

// "80", "80/udp", "8000-8010/tcp".
bool matches_port(const std::string& wanted, unsigned port, const std::string& protocol) {
  const auto parts = cut(wanted, "/");
  if ((parts ? std::string(parts->second) : "tcp") != protocol) return false;
  const std::string_view numbers = parts ? parts->first : std::string_view(wanted);
  const auto range = cut(numbers, "-");
  const auto first = parse_integer<unsigned>(range ? range->first : numbers);
  const auto last = range ? parse_integer<unsigned>(range->second) : first;
  return first && last && port >= *first && port <= *last;
}

bool is_published(const engine::ContainerRecord& record, const std::string& wanted) {
  return std::any_of(record.ports.begin(), record.ports.end(),
                     [&](const auto& port) { return matches_port(wanted, port.host_ports.first, port.protocol); });
}

bool is_exposed(const engine::ContainerRecord& record, const std::string& wanted) {
  const auto fits = [&](const std::string& text) {
    const auto parts = cut(text, "/");
    const auto number = parse_integer<unsigned>(parts ? parts->first : std::string_view(text));
    return number && matches_port(wanted, *number, parts ? std::string(parts->second) : "tcp");
  };
  return std::any_of(record.exposed.begin(), record.exposed.end(), fits) ||
         std::any_of(record.ports.begin(), record.ports.end(),
                     [&](const auto& port) { return fits(port.container_text()); });
}

bool has_mount(const engine::ContainerRecord& record, const std::string& value) {
  const auto parts = cut(value, ":");
  const std::string source(parts ? parts->first : std::string_view(value));
  return std::any_of(record.mounts.begin(), record.mounts.end(), [&](const auto& mount) {
    const bool named = mount.name == source || mount.destination == source || mount.source == source;
    return named && (!parts || mount.destination == parts->second);
  });
}

// After the machine started again: always, and unless-stopped where nobody stopped it.
bool starts_on_boot(const Snapshot& s) {
  const bool stopped = s.exit && s.exit->by_user;
  return s.record.restart_policy == "always" || (s.record.restart_policy == "unless-stopped" && !stopped);
}

bool matches(const Snapshot& s, const Filter& filter) {
  const auto& r = s.record;
  const auto& value = filter.value;
  const auto& key = filter.key;
  if (key == "name") return matches_pattern(value, r.name);
  if (key == "id") return r.id.starts_with(value) || (!is_hex(value) && matches_pattern(value, r.id));
  if (key == "label") return has_label(r.labels, value);
  if (key == "status") return engine::status_word(s.status) == (value == "stopped" ? "exited" : value);
  if (key == "exited") return s.exit && !s.active() && std::to_string(s.exit->exit_code) == value;
  if (key == "volume") return has_mount(r, value);
  if (key == "network") return r.network == value;
  if (key == "ancestor") return matches_image(r, value);
  if (key == "health") return value == (s.health ? s.health->status : "none");
  if (key == "before") return r.created < value;
  if (key == "since") return r.created > value;
  if (key == "until") return before(r.created, value);
  if (key == "restart-policy") return r.restart_policy == value;
  if (key == "should-start-on-boot") return cli::parse_bool(value) == starts_on_boot(s);
  if (key == "publish") return is_published(r, value);
  if (key == "expose") return is_exposed(r, value);
  if (key == "is-task" || key == "pod") return false;
  if (key == "command") {
    const auto& words = r.entrypoint.empty() ? r.command : r.entrypoint;
    return !words.empty() && words.front() == value;
  }
  unknown_filter(filter, kKnown);
}

}  // namespace

ContainerFilter::ContainerFilter(const engine::Containers& containers, const std::vector<std::string>& texts)
    : filters_(parse_filters(texts)) {
  for (auto& filter : filters_) {
    if (filter.key == "before" || filter.key == "since") filter.value = containers.get(filter.value).record().created;
    matches({}, filter);  // keys that are none
  }
}

bool ContainerFilter::names_states() const {
  return std::any_of(filters_.begin(), filters_.end(),
                     [](const Filter& filter) { return filter.key == "status" || filter.key == "exited"; });
}

bool ContainerFilter::passes(const Snapshot& snapshot) const {
  return pass_all(filters_, [&](const Filter& filter) { return matches(snapshot, filter); });
}

}  // namespace proa::commands
