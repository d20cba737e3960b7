// Health checks as asked for: the image's HEALTHCHECK, then --health-*.
#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "tools/run/engine/create.h"

namespace proa::engine {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

class HealthFlags {
 public:
  explicit HealthFlags(const std::map<std::string, std::string>& flags) : flags_(flags) {}

  const std::string* find(const std::string& name) const {
    const auto found = flags_.find(name);
    return found == flags_.end() ? nullptr : &found->second;
  }

  void duration(const std::string& name, std::int64_t& to) const {
    const auto* text = find(name);
    if (text == nullptr) return;
    const auto value = parse_go_duration(*text);
    if (!value || value->count() < 0) bad(name, *text, "not a duration", "write 30s or 1m30s");
    if (value->count() != 0 && *value < std::chrono::milliseconds(1)) bad(name, *text, "shorter than 1ms", "");
    to = value->count();
  }

  void number(const std::string& name, int& to) const {
    const auto* text = find(name);
    if (text == nullptr) return;
    const auto value = parse_integer<int>(*text);
    if (!value || *value < 0) bad(name, *text, "not a number", "");
    to = *value;
  }

  // "none", a JSON array of words, or a line for a shell.
  void command(const std::string& name, std::vector<std::string>& to) const {
    const auto* text = find(name);
    if (text == nullptr) return;
    if (text->empty()) bad(name, *text, "no command", "");
    if (to_lower(*text) == "none") {
      to = {"NONE"};
    } else if (const auto words = array_of(*text)) {
      to = *words;
      static const std::vector<std::string> kinds = {"CMD", "CMD-SHELL", "NONE"};
      const bool named = !to.empty() && std::find(kinds.begin(), kinds.end(), to.front()) != kinds.end();
      if (!named) to.insert(to.begin(), "CMD");
    } else {
      to = {"CMD-SHELL", *text};
    }
  }

  [[noreturn]] static void bad(const std::string& name, const std::string& value, const char* why, const char* hint) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("--{}={}: {}", name, value, why), hint);
  }

 private:
  static std::optional<std::vector<std::string>> array_of(const std::string& text) {
    if (text.front() != '[') return std::nullopt;
    try {
      return read_json(text).get<std::vector<std::string>>();
    } catch (const nlohmann::json::exception&) {
      return std::nullopt;
    }
  }

  const std::map<std::string, std::string>& flags_;
};

void take_image(const oci::ImageConfig& image, HealthCheck& check) {
  if (!image.healthcheck) return;
  const auto& wanted = *image.healthcheck;
  check.test = wanted.test;
  check.interval = wanted.interval;
  check.timeout = wanted.timeout;
  check.start_period = wanted.start_period;
  check.start_interval = wanted.start_interval;
  check.retries = wanted.retries;
}

void set_defaults(HealthCheck& check) {
  if (check.interval == 0) check.interval = 30 * kSecond;
  if (check.timeout == 0) check.timeout = 30 * kSecond;
  if (check.retries == 0) check.retries = 3;
}

}  // namespace

void merge_health(const RunOptions& options, const oci::ImageConfig& image, ContainerRecord& record) {
  const HealthFlags flags(options.health);
  HealthPlan& plan = record.health;
  if (options.no_healthcheck) {
    if (flags.find("health-cmd") != nullptr) {
      throw Error(ErrorCode::InvalidArgument, "--no-healthcheck and --health-cmd contradict each other");
    }
    return;
  }
  take_image(image, plan.check);
  flags.command("health-cmd", plan.check.test);
  const auto* interval = flags.find("health-interval");
  const bool by_hand = interval != nullptr && *interval == "disable";
  if (!by_hand) flags.duration("health-interval", plan.check.interval);
  flags.duration("health-timeout", plan.check.timeout);
  flags.duration("health-start-period", plan.check.start_period);
  flags.duration("health-start-interval", plan.check.start_interval);
  flags.number("health-retries", plan.check.retries);
  flags.command("health-startup-cmd", plan.startup.test);
  flags.duration("health-startup-interval", plan.startup.interval);
  flags.duration("health-startup-timeout", plan.startup.timeout);
  flags.number("health-startup-retries", plan.startup.retries);
  flags.number("health-startup-success", plan.startup.successes);
  flags.number("health-max-log-count", plan.max_log_count);
  flags.number("health-max-log-size", plan.max_log_size);
  if (const auto* action = flags.find("health-on-failure")) {
    plan.on_failure = *action;
    if (*action != "none" && *action != "kill" && *action != "restart" && *action != "stop") {
      HealthFlags::bad("health-on-failure", *action, "unknown", "use none, kill, restart or stop");
    }
  }
  if (const auto* place = flags.find("health-log-destination"); place != nullptr && *place != "local") {
    HealthFlags::bad("health-log-destination", *place, "only local is known", "`proa inspect` shows the results");
  }
  if (plan.startup.active() && !plan.check.active()) {
    throw Error(ErrorCode::InvalidArgument, "--health-startup-cmd needs a health check", "add --health-cmd");
  }
  const int startup_retries = plan.startup.retries;  // 0: it may fail for ever
  set_defaults(plan.check);
  set_defaults(plan.startup);
  plan.startup.retries = startup_retries;
  if (by_hand) plan.check.interval = 0;
}

}  // namespace proa::engine
