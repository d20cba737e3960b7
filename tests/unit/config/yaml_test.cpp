#include "libcommon/config/yaml.h"

#include <gmock/gmock.h>

#include "libcommon/base/error.h"

namespace proa::config {
namespace {

using Kind = YamlNode::Kind;

// The tree as one line: {key: [a, b]}; quoted scalars in quotes, nothing as ~.
std::string show(const YamlNode& node) {
  std::string text;
  switch (node.kind) {
    case Kind::Null:
      return "~";
    case Kind::Scalar:
      return node.quoted ? "\"" + node.scalar + "\"" : node.scalar;
    case Kind::Sequence:
      for (const auto& item : node.items) text += (text.empty() ? "" : ", ") + show(item);
      return "[" + text + "]";
    case Kind::Mapping:
      for (const auto& [key, value] : node.members) text += (text.empty() ? "" : ", ") + key + ": " + show(value);
      return "{" + text + "}";
  }
  return text;
}

std::string parsed(std::string_view text) { return show(parse_yaml(text)); }

std::string refused(std::string_view text) {
  try {
    return "accepted: " + parsed(text);
  } catch (const Error& error) {
    return error.message();
  }
}

TEST(Yaml, ReadsBlocks) {
  EXPECT_EQ(parsed("a: 1\nb:\n  c: x y\n  d:\n    - one\n    - two # comment\ne:\n- same\n- column\n"),
            "{a: 1, b: {c: x y, d: [one, two]}, e: [same, column]}");
  EXPECT_EQ(parsed("- a: 1\n  b: 2\n- - x\n  - y\n-\n  c: 3\n"), "[{a: 1, b: 2}, [x, y], {c: 3}]");
  EXPECT_EQ(parsed("---\n# only a comment\nlocalhost:5000:\n  images: # here\n    app: []\n    other:\n"),
            "{localhost:5000: {images: {app: [], other: ~}}}");
  EXPECT_EQ(parsed(""), "~");
}

TEST(Yaml, ReadsFlowsAndQuotes) {
  EXPECT_EQ(parsed("a: {b: [1, 'it''s', \"x\\ty\"], c: {}}"), "{a: {b: [1, \"it's\", \"x\ty\"], c: {}}}");
  EXPECT_EQ(parsed("\"quoted key\": '# no comment'\nurl: http://host:80/x#y"),
            "{quoted key: \"# no comment\", url: http://host:80/x#y}");
  EXPECT_EQ(parsed("a: ^1\\.13\\.[12]-alpine$"), "{a: ^1\\.13\\.[12]-alpine$}");
  EXPECT_EQ(parsed("a: don't\r\nb: ~\r\n"), "{a: don't, b: ~}");
}

TEST(Yaml, RefusesWhatItWouldMisread) {
  EXPECT_THAT(refused("a: &x 1"), testing::HasSubstr("line 1: anchors"));
  EXPECT_THAT(refused("a: !!int 1"), testing::HasSubstr("tags"));
  EXPECT_THAT(refused("a: |\n  text"), testing::HasSubstr("block scalars"));
  EXPECT_THAT(refused("a: 1\na: 2"), testing::HasSubstr("line 2: a is there twice"));
  EXPECT_THAT(refused("a: 1\n   b: 2"), testing::HasSubstr("line 2: indented more"));
  EXPECT_THAT(refused("  a: 1\nb: 2"), testing::HasSubstr("line 2: indented less"));
  EXPECT_THAT(refused("a:\n\t- 1"), testing::HasSubstr("line 2: a tab"));
  EXPECT_THAT(refused("a: [1, 2"), testing::HasSubstr("line 1"));
  EXPECT_THAT(refused("a: 'x"), testing::HasSubstr("line 1: a quote"));
  EXPECT_THAT(refused("a: 1\n---\nb: 2"), testing::HasSubstr("one document"));
  EXPECT_THAT(refused("a: 1\nplain"), testing::HasSubstr("line 2: expected KEY: VALUE"));
  EXPECT_THAT(refused("a: b: c"), testing::HasSubstr("line 1: two keys"));
  EXPECT_THAT(refused("? a"), testing::HasSubstr("line 1: a plain text cannot begin"));
  EXPECT_THAT(refused("a: @x"), testing::HasSubstr("line 1: a plain text cannot begin"));
  EXPECT_THAT(refused("a: \"\\x\""), testing::HasSubstr("line 1: only"));
  EXPECT_THAT(refused("a: " + std::string(1000, '[')), testing::HasSubstr("too deep"));
  std::string deep;
  for (std::size_t i = 0; i < 1000; ++i) deep += std::string(i, ' ') + "a:\n";
  EXPECT_THAT(refused(deep), testing::HasSubstr("too deep"));
}

}  // namespace
}  // namespace proa::config
