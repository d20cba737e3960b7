#include "libcommon/config/lookaside.h"

#include <gmock/gmock.h>

#include "libcommon/base/error.h"
#include "libcommon/config/yaml.h"
#include "tests/support/environment.h"

namespace proa::config {
namespace {

using ::testing::HasSubstr;
using Access = Lookasides::Access;

oci::Reference named(const std::string& text) { return oci::Reference::parse_normalized(text); }

std::string refusal(const std::string& yaml) {
  try {
    Lookasides().add(yaml, "a.yaml");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    return error.text();
  }
  return "accepted";
}

TEST(Lookaside, TheNearestScopeThatSaysSomethingDecides) {
  Lookasides sides;
  sides.add(R"(
# a comment
default-docker:
    lookaside-staging: file:///var/staging   # where new ones go

docker:
    registry.example.com:
        sigstore: https://sigs.example.com/
        use-sigstore-attachments: true
    registry.example.com:5000/org/app:branch:
        lookaside: "http://localhost:4242/x"
        lookaside-staging: 'file:///srv/it''s'
    registry.example.com/org:
        use-sigstore-attachments: false
)",
            "a.yaml");
  sides.add("docker:\n  other.example: {}\n", "b.yaml");
  EXPECT_EQ(sides.url(named("registry.example.com/org/x:1"), Access::Read), "https://sigs.example.com");
  EXPECT_EQ(sides.url(named("registry.example.com/org/x:1"), Access::Write), "https://sigs.example.com");
  EXPECT_FALSE(sides.attachments(named("registry.example.com/org/x:1")));
  EXPECT_TRUE(sides.attachments(named("registry.example.com/y:1")));
  EXPECT_EQ(sides.url(named("registry.example.com:5000/org/app:branch"), Access::Read), "http://localhost:4242/x");
  EXPECT_EQ(sides.url(named("registry.example.com:5000/org/app:branch"), Access::Write), "file:///srv/it's");
  EXPECT_EQ(sides.configured_url(named("busybox:1"), Access::Read), std::nullopt);
  EXPECT_EQ(sides.url(named("busybox:1"), Access::Write), "file:///var/staging");
  EXPECT_FALSE(sides.attachments(named("busybox:1")));
}

TEST(Lookaside, ContradictionsAndUnknownKeysAreRefused) {
  EXPECT_EQ(refusal("docker:\n  a.example:\n    lookaside: https://x\n"), "accepted");
  EXPECT_THAT(refusal("docker:\n  a.example:\n    lookasides: https://x\n"), HasSubstr("a.yaml:3: unknown key"));
  EXPECT_THAT(refusal("dockers:\n  a.example: {}\n"), HasSubstr("unknown key"));
  EXPECT_THAT(refusal("docker:\n  a.example:\n    lookaside: /srv/x\n"), HasSubstr("URL"));
  EXPECT_THAT(refusal("docker:\n  a.example:\n    use-sigstore-attachments: yes\n"), HasSubstr("true or false"));
  Lookasides sides;
  sides.add("docker:\n  a.example: {}\n", "a.yaml");
  EXPECT_THROW(sides.add("docker:\n  a.example: {}\n", "b.yaml"), Error);
}

TEST(Lookaside, WithoutConfigurationItIsAFolderOfTheUser) {
  const testing::TempDir home;
  testing::Environment environment;
  environment.set("HOME", home.path());
  EXPECT_EQ(Lookasides().url(named("busybox:1"), Access::Read),
            "file://" + home.path(".local/share/containers/sigstore"));
  home.write(".config/containers/registries.d/x.yaml", "default-docker:\n  lookaside: file:///x\n");
  home.write(".config/containers/registries.d/x.yml", "not: [read\n");
  EXPECT_EQ(Lookasides::load().url(named("busybox:1"), Access::Read), "file:///x");
}

TEST(Yaml, WhatItDoesNotReadIsRefusedByLine) {
  for (const char* text : {"a: [1]\n", "a: &x 1\n", "- a\n", "a: |\n  x\n", "a: b: c\n", "a\n", "a: 'x\n", "\ta: 1\n",
                           "a: 1\na: 2\n", "a:\n    b: 1\n  c: 1\n", "  a: 1\n", "a: 1\n---\nb: 1\n", "a: \"\\x\"\n",
                           "a: *x\n", "? a\n", "a: {b: 1}\n", "a: 1\n  b: 2\n"}) {
    EXPECT_THROW(parse_yaml(text, "x.yaml"), Error) << text;
  }
}

TEST(Yaml, ReadsNestedMappings) {
  const auto root = parse_yaml("---\na: # note\n  b: x#y # z\n  'c:d': \"q \\\"w\\\"\"\ne:\nf: null\n", "x.yaml");
  ASSERT_EQ(root.members.size(), 3U);
  const auto& a = root.members[0].value;
  ASSERT_TRUE(a.is_mapping);
  EXPECT_EQ(a.members[0].value.scalar, "x#y");
  EXPECT_EQ(a.members[1].key, "c:d");
  EXPECT_EQ(a.members[1].value.scalar, "q \"w\"");
  EXPECT_EQ(root.members[2].value.scalar, "");
}

TEST(Yaml, DepthHasACeiling) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_THROW(parse_yaml(text, "x.yaml"), Error);
}

}  // namespace
}  // namespace proa::config
