// The part of YAML 1.2 that small configuration files use: nested block mappings with plain or quoted scalars,
// comments, and {} for an empty mapping. Anything else (lists, anchors, tags, several documents, tabs) is refused by
// line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace proa::config {

struct YamlMember;

struct YamlNode {
  int line = 0;
  bool is_mapping = false;
  std::string scalar;  // null and an empty value are ""
  bool quoted = false;
  std::vector<YamlMember> members;  // in order; keys are unique
};

struct YamlMember {
  std::string key;
  YamlNode value;
};

// The top mapping. InvalidArgument: "NAME:LINE: ...".
YamlNode parse_yaml(std::string_view text, std::string_view name);

}  // namespace proa::config
