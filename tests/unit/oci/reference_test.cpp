#include "libcommon/oci/reference.h"

#include <gtest/gtest.h>

#include "libcommon/base/error.h"

namespace proa::oci {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

TEST(Reference, NormalisesShortNames) {
  EXPECT_EQ(Reference::parse_normalized("alpine").str(), "docker.io/library/alpine");
  EXPECT_EQ(Reference::parse_normalized("me/app:1").str(), "docker.io/me/app:1");
  EXPECT_EQ(Reference::parse_normalized("localhost/app").domain(), "localhost");
  EXPECT_EQ(Reference::parse_normalized("host:5000/app").domain(), "host:5000");
  EXPECT_EQ(Reference::parse_normalized("index.docker.io/alpine").str(), "docker.io/library/alpine");
  EXPECT_EQ(Reference::parse_normalized("docker.io/library/alpine:3@" + kDigest).familiar(), "alpine:3@" + kDigest);
}

TEST(Reference, ChangesTagAndDigest) {
  Reference name = Reference::parse_normalized("alpine");
  EXPECT_EQ(name.with_default_tag().familiar(), "alpine:latest");
  EXPECT_EQ(name.with_tag("3").with_default_tag().familiar(), "alpine:3");
  EXPECT_EQ(name.with_digest(Digest::parse(kDigest)).with_default_tag().familiar(), "alpine@" + kDigest);
  EXPECT_EQ(name.with_tag("3").with_digest(Digest::parse(kDigest)).without_tag().familiar(), "alpine@" + kDigest);
  EXPECT_EQ(name.with_tag("3").without_tag_and_digest(), name);
  for (const char* tag : {"", "a/b", "-x", ".x", "a b", "a\n", "a:b"}) EXPECT_THROW(name.with_tag(tag), Error) << tag;
  EXPECT_THROW(name.with_tag(std::string(129, 'a')), Error);
}

TEST(Reference, RefusesWhatIsNone) {
  for (const std::string& text : {std::string(),
                                  std::string("Alpine"),
                                  std::string("a//b"),
                                  std::string("a/../b"),
                                  std::string("/a"),
                                  std::string("a/"),
                                  std::string("a:"),
                                  std::string("a@sha256:12"),
                                  "a@" + kDigest + "@" + kDigest,
                                  std::string("a b"),
                                  std::string("a\nb"),
                                  std::string("a:b:c"),
                                  std::string("-a"),
                                  std::string("a-"),
                                  std::string("a..b"),
                                  std::string("a___b"),
                                  std::string("http://a/b"),
                                  std::string(64, 'a'),
                                  "a" + std::string(255, '/'),
                                  std::string("a\0b", 3),
                                  std::string(300, 'a')}) {
    EXPECT_THROW(Reference::parse_normalized(text), Error) << text;
  }
}

TEST(Reference, ErrorsShowWhatWasTyped) {
  try {
    Reference::parse_normalized("me/a\x1b[0mpp");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    EXPECT_TRUE(error.text().starts_with("invalid reference \"me/a\\x1b[0mpp\": ")) << error.text();
  }
}

TEST(ImageName, TellsIdsFromNames) {
  EXPECT_EQ(parse_image_name(std::string(64, 'a')).digest->str(), kDigest);
  EXPECT_EQ(parse_image_name(kDigest).digest->str(), kDigest);
  EXPECT_EQ(parse_image_name(std::string(12, 'a')).reference->familiar(), std::string(12, 'a'))
      << "a short id is a name, too";
}

}  // namespace
}  // namespace proa::oci
