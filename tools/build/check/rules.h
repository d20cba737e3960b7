// Names and words of the build checks, and which of them are on.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace proa::build {

struct Warning {
  std::string rule, detail;
  int line = 0;
  bool operator==(const Warning&) const = default;
};

// One sentence about a rule; empty: there is no such rule.
std::string_view rule_description(std::string_view rule);

// "skip=A,B;error=true;experimental=C": of a "# check=" line, or of the comment before one instruction.
struct CheckChoice {
  std::set<std::string> skipped, experimental;
  bool skip_all = false, experimental_all = false, errors = false;
  static CheckChoice parse(std::string_view text);
  bool is_on(std::string_view rule) const;
};

// "password", "GIT_TOKEN": a name that sounds like a secret's.
bool sounds_secret(std::string_view name);

}  // namespace proa::build
