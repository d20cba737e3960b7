#include "tools/run/commands/filters.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/glob.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "tools/run/engine/log_reader.h"

namespace proa::commands {

std::vector<Filter> parse_filters(const std::vector<std::string>& texts) {
  std::vector<Filter> filters;
  for (const auto& text : texts) {
    const auto parts = cut(text, "=");
    if (!parts || parts->first.empty()) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("--filter {}: not KEY=VALUE", text));
    }
    Filter filter{std::string(parts->first), std::string(parts->second)};
    if (filter.key.ends_with('!')) {
      filter.negated = true;
      filter.key.pop_back();
    }
    filters.push_back(std::move(filter));
  }
  return filters;
}

bool pass_all(const std::vector<Filter>& filters, const std::function<bool(const Filter&)>& matches) {
  std::map<std::string, bool> passed;
  for (const auto& filter : filters) {
    const bool matched = matches(filter) != filter.negated;
    if (filter.key == "label" || filter.negated) {
      if (!matched) return false;
      continue;
    }
    bool& one = passed[filter.key];
    one = one || matched;
  }
  return std::all_of(passed.begin(), passed.end(), [](const auto& entry) { return entry.second; });
}

void unknown_filter(const Filter& filter, const char* known) {
  throw Error(ErrorCode::InvalidArgument, fmt::format("--filter {}={}: unknown", filter.key, filter.value),
              fmt::format("known: {}", known));
}

bool has_label(const std::map<std::string, std::string>& labels, const std::string& wanted) {
  const auto parts = cut(wanted, "=");
  const std::string name(parts ? parts->first : std::string_view(wanted));
  return std::any_of(labels.begin(), labels.end(), [&](const auto& label) {
    if (label.first != name && !glob_match(name, label.first).value_or(false)) return false;
    return !parts || label.second == parts->second || glob_match(parts->second, label.second).value_or(false);
  });
}

std::string labels_text(const std::map<std::string, std::string>& labels) {
  std::vector<std::string> texts;
  for (const auto& [key, value] : labels) texts.push_back(key + "=" + value);
  return join(texts, ",");
}

bool before(const std::string& time, const std::string& until) {
  const auto parsed = parse_rfc3339(time);
  return parsed && *parsed < engine::parse_log_time(until, now());
}

}  // namespace proa::commands
