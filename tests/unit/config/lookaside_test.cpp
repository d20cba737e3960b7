#include "libcommon/config/lookaside.h"

#include <gmock/gmock.h>

#include "libcommon/base/error.h"
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

TEST(Lookasides, FilesThatAreNoMappingAreRefusedByName) {
  EXPECT_THAT(refusal("- a\n"), HasSubstr("a.yaml:1: expected keys"));
  EXPECT_THAT(refusal("a: 'x\n"), HasSubstr("a quote is not closed"));
}

}  // namespace
}  // namespace proa::config
