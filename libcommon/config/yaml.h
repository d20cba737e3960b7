// YAML as people write configuration and lists of images in it: mappings, sequences and scalars, in block and flow
// style, quoted or plain, with comments. What only programs write (anchors, tags, block scalars, several documents) is
// refused by name, never misread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace proa::config {

struct YamlMember;

struct YamlNode {
  enum class Kind { Null, Scalar, Sequence, Mapping };
  Kind kind = Kind::Null;
  std::size_t line = 0;
  std::string scalar;
  bool quoted = false;
  std::vector<YamlNode> items;      // Sequence
  std::vector<YamlMember> members;  // Mapping, in their order; no key comes twice

  const YamlNode* find(std::string_view key) const;  // nullptr: no such member
};

struct YamlMember {
  std::string key;
  YamlNode value;
};

// Throws InvalidArgument that begins with the number of the line.
YamlNode parse_yaml(std::string_view text);

}  // namespace proa::config
