#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "tools/build/containerfile/instruction.h"
#include "tools/build/refuse.h"

namespace proa::build::detail {
namespace {

const FlagRule& find_rule(const std::vector<FlagRule>& rules, std::string_view name) {
  auto rule = std::find_if(rules.begin(), rules.end(), [&](const FlagRule& r) { return r.name == name; });
  if (rule != rules.end()) return *rule;
  std::vector<std::string> names;
  for (const FlagRule& known : rules) names.push_back(known.name);
  auto near = nearest(name, names);
  fail(
      fmt::format("unknown flag: --{}{}", escape_control(name), near ? fmt::format(" (did you mean {}?)", *near) : ""));
}

}  // namespace

std::map<std::string, std::vector<std::string>> parse_flags(const std::vector<std::string>& words,
                                                            const std::vector<FlagRule>& rules) {
  std::map<std::string, std::vector<std::string>> values;
  for (std::string_view word : words) {
    word.remove_prefix(std::min<std::size_t>(word.size(), 2));
    std::size_t equals = word.find('=');
    std::string_view name = word.substr(0, equals);
    const FlagRule& rule = find_rule(rules, name);
    if (rule.kind != FlagRule::Kind::Texts && values.contains(rule.name)) {
      fail(fmt::format("duplicate flag specified: {}", rule.name));
    }
    bool has_value = equals != std::string_view::npos;
    std::string value(has_value ? word.substr(equals + 1) : "");
    if (rule.kind == FlagRule::Kind::Switch) {
      if (!has_value) value = "true";
      value = to_lower(value);
      if (value != "true" && value != "false") {
        fail(fmt::format("expecting boolean value for flag --{}, not: {}", rule.name, escape_control(value)));
      }
    } else if (!has_value) {
      fail(fmt::format("missing a value on flag: --{}", rule.name));
    }
    values[rule.name].push_back(std::move(value));
  }
  return values;
}

}  // namespace proa::build::detail
