// --filter KEY=VALUE, as docker and podman read it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace proa::commands {

struct Filter {
  std::string key, value;
  bool negated = false;  // KEY!=VALUE
};

// InvalidArgument for what is no KEY=VALUE.
std::vector<Filter> parse_filters(const std::vector<std::string>& texts);
// Several of one key are alternatives, those of different keys and all labels add up.
bool pass_all(const std::vector<Filter>& filters, const std::function<bool(const Filter&)>& matches);
[[noreturn]] void unknown_filter(const Filter& filter, const char* known);

// "NAME" or "NAME=VALUE"; "*" in NAME or VALUE stands for anything.
bool has_label(const std::map<std::string, std::string>& labels, const std::string& wanted);
std::string labels_text(const std::map<std::string, std::string>& labels);  // "a=b,c=d"
// Whether `time` (RFC 3339) is before `until`: a time, seconds since 1970, or a duration back from now.
bool before(const std::string& time, const std::string& until);

}  // namespace proa::commands
