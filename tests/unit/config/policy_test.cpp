#include "libcommon/config/policy.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "libcommon/base/error.h"
#include "tests/support/environment.h"

namespace proa::config {
namespace {

using Kind = Requirement::Kind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

oci::Reference named(const std::string& text) { return oci::Reference::parse_normalized(text); }

std::string refusal(const std::string& json) {
  try {
    Policy::parse(json, "p");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument) << error.text();
    return error.text();
  }
  return "accepted";
}

std::string one(const std::string& requirement) { return R"({"default":[)" + requirement + "]}"; }

Kind kind_for(const Policy& policy, const PolicyScope& scope) { return policy.requirements(scope).front().kind; }

TEST(PolicyFile, TheNearestScopeDecides) {
  const auto policy = Policy::parse(R"({"default":[{"type":"reject"}],"transports":{"docker":{
    "docker.io/library/busybox:1":[{"type":"reject"}],
    "docker.io/library/busybox":[{"type":"insecureAcceptAnything"}],
    "example.com:5000":[{"type":"insecureAcceptAnything"}],
    "*.wild.example":[{"type":"insecureAcceptAnything"}],
    "deep.wild.example/org":[{"type":"reject"}]},
    "dir":{"":[{"type":"insecureAcceptAnything"}]}}})",
                                    "p");
  const auto of = [&](const char* name) { return kind_for(policy, docker_scope(named(name))); };
  EXPECT_EQ(of("busybox:1"), Kind::Reject);
  EXPECT_EQ(of("busybox:2"), Kind::AcceptAnything);
  EXPECT_EQ(of("busybox2:2"), Kind::Reject) << "a scope ends at a border of the name";
  EXPECT_EQ(of("example.com:5000/a/b:1"), Kind::AcceptAnything);
  EXPECT_EQ(of("example.com/a/b:1"), Kind::Reject) << "a port belongs to the host";
  EXPECT_EQ(of("a.b.wild.example:443/x:1"), Kind::AcceptAnything);
  EXPECT_EQ(of("deep.wild.example/org/x:1"), Kind::Reject);
  EXPECT_EQ(of("wild.example/x:1"), Kind::Reject);
  EXPECT_EQ(of("evilwild.example/x:1"), Kind::Reject);
  EXPECT_EQ(kind_for(policy, {.transport = "dir", .identity = "/x", .namespaces = {}}), Kind::AcceptAnything);
  EXPECT_EQ(kind_for(policy, {.transport = "oci", .identity = "/x", .namespaces = {}}), Kind::Reject);
}

TEST(PolicyFile, NamespacesGoFromTheRepositoryToWildcards) {
  EXPECT_THAT(
      docker_namespaces(named("a.b.example:5000/org/app:1")),
      ElementsAre("a.b.example:5000/org/app", "a.b.example:5000/org", "a.b.example:5000", "*.b.example", "*.example"));
}

TEST(PolicyFile, PathsAreRealOnesAndTheirParents) {
  const testing::TempDir dir;
  std::filesystem::create_directories(dir.path("real/image"));
  std::filesystem::create_symlink(dir.path("real"), dir.path("link"));
  const auto scope = path_scope("dir", dir.path("link/image"));
  EXPECT_EQ(scope.identity, std::filesystem::canonical(dir.path("real/image")));
  EXPECT_EQ(scope.namespaces.front(), std::filesystem::canonical(dir.path("real")));
  for (const auto& name : scope.namespaces) EXPECT_NE(name, "");
}

TEST(PolicyFile, WhatIsNotUnderstoodIsRefusedAsAWhole) {
  EXPECT_THAT(refusal(one(R"({"type":"insecureAcceptAnything"})")), "accepted");
  EXPECT_THAT(refusal("{}"), HasSubstr("default"));
  EXPECT_THAT(refusal(R"({"default":[]})"), HasSubstr("empty"));
  EXPECT_THAT(refusal(R"({"default":[{"type":"reject"}],"transport":{}})"), HasSubstr("unknown key"));
  EXPECT_THAT(refusal(R"({"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]})"),
              HasSubstr("twice"));
  EXPECT_THAT(refusal(one(R"({"type":"accept"})")), HasSubstr("unknown type"));
  EXPECT_THAT(refusal(one(R"({"type":"reject","unless":1})")), HasSubstr("unknown key"));
  EXPECT_THAT(refusal(one(R"({"Type":"reject"})")), HasSubstr("type"));
  EXPECT_THAT(refusal(one(R"({"type":"signedBy","keyType":"GPGKeys"})")), HasSubstr("exactly one of"));
  EXPECT_THAT(refusal(one(R"({"type":"signedBy","keyType":"GPGKeys","keyPath":"/a","keyData":"aaaa"})")),
              HasSubstr("exactly one of"));
  EXPECT_THAT(refusal(one(R"({"type":"signedBy","keyType":"GPGKeys","keyPaths":[]})")), HasSubstr("empty"));
  EXPECT_THAT(refusal(one(R"({"type":"signedBy","keyType":"PGP","keyPath":"/a"})")), HasSubstr("keyType"));
  EXPECT_THAT(refusal(one(R"({"type":"signedBy","keyType":"GPGKeys","keyData":"%"})")), HasSubstr("base64"));
}

TEST(PolicyFile, IdentitiesAreCheckedWhenTheFileIsRead) {
  const auto with = [](const std::string& identity) {
    return refusal(one(R"({"type":"signedBy","keyType":"GPGKeys","keyPath":"/a","signedIdentity":)" + identity + "}"));
  };
  EXPECT_EQ(with(R"({"type":"matchRepository"})"), "accepted");
  EXPECT_EQ(with(R"({"type":"exactReference","dockerReference":"busybox:1"})"), "accepted");
  EXPECT_EQ(with(R"({"type":"remapIdentity","prefix":"localhost:5000/vendor","signedPrefix":"vendor.example"})"),
            "accepted");
  EXPECT_THAT(with(R"({"type":"matchAll"})"), HasSubstr("unknown type"));
  EXPECT_THAT(with(R"({"type":"matchExact","dockerReference":"x:1"})"), HasSubstr("unknown key"));
  EXPECT_THAT(with(R"({"type":"exactReference","dockerReference":"busybox"})"), HasSubstr("tag or a digest"));
  EXPECT_THAT(with(R"({"type":"exactRepository","dockerRepository":"busybox:1"})"), HasSubstr("neither"));
  EXPECT_THAT(with(R"({"type":"remapIdentity","prefix":"busybox","signedPrefix":"a.example"})"), HasSubstr("prefix"));
  EXPECT_THAT(with(R"({"type":"remapIdentity","prefix":"a.example/x:1","signedPrefix":"a.example"})"),
              HasSubstr("prefix"));
}

TEST(PolicyFile, WhatWeCannotCheckIsKeptAsARefusal) {
  for (const std::string extra : {R"("rekorPublicKeyPath":"/r")", R"("rekorPublicKeyData":"aaaa")", R"("fulcio":{})",
                                  R"("pki":{})", R"("rekorPublicKeyPaths":["/r"])"}) {
    const auto policy = Policy::parse(one(R"({"type":"sigstoreSigned","keyPath":"/k",)" + extra + "}"), "p");
    EXPECT_EQ(policy.fallback().front().kind, Kind::NotSupported) << extra;
  }
  EXPECT_EQ(Policy::parse(one(R"({"type":"signedBaseLayer","baseLayerIdentity":{}})"), "p").fallback().front().kind,
            Kind::NotSupported);
}

TEST(PolicyFile, OfTheUserThenOfTheMachineThenAnything) {
  const testing::TempDir home;
  testing::Environment environment;
  environment.set("HOME", home.path());
  home.write(".config/containers/policy.json", one(R"({"type":"reject"})"));
  EXPECT_EQ(Policy::load().fallback().front().kind, Kind::Reject);
  EXPECT_EQ(Policy::load(home.write("other.json", one(R"({"type":"insecureAcceptAnything"})"))).fallback().front().kind,
            Kind::AcceptAnything);
  EXPECT_THROW(Policy::load(home.path("absent.json")), Error) << "a file that was named has to be there";
}

TEST(PolicyFile, ADeadLinkInItsPlaceIsNoAbsence) {
  const testing::TempDir home;
  testing::Environment environment;
  environment.set("HOME", home.path());
  std::filesystem::create_directories(home.path(".config/containers"));
  std::filesystem::create_symlink("nowhere", home.path(".config/containers/policy.json"));
  EXPECT_THROW(Policy::load(), Error);
}

}  // namespace
}  // namespace proa::config
