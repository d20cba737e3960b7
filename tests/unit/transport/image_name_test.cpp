#include "libcommon/transport/image_name.h"

#include <gmock/gmock.h>

#include "libcommon/base/error.h"

namespace proa::transport {
namespace {

std::string error_of(const std::string& text) {
  try {
    ImageName::parse(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument) << text;
    return error.text();
  }
  return "no error";
}

TEST(ImageName, ReadsWhatSkopeoReads) {
  EXPECT_EQ(ImageName::parse("docker://busybox").str(), "docker://docker.io/library/busybox:latest");
  EXPECT_EQ(ImageName::parse("docker://localhost:5000/a/b:1").reference->domain(), "localhost:5000");
  EXPECT_EQ(ImageName::parse("oci:/a/b:c:1.0").path, "/a/b");
  EXPECT_EQ(ImageName::parse("oci:/a/b:c:1.0").image, "c:1.0");
  EXPECT_EQ(ImageName::parse("oci:dir").image, "");
  EXPECT_EQ(ImageName::parse("oci:dir:@2").index, 2U);
  EXPECT_EQ(ImageName::parse("oci-archive:x.tar:docker.io/a:b").image, "docker.io/a:b");
  EXPECT_EQ(ImageName::parse("dir:a:b").path, "a:b");
  EXPECT_EQ(ImageName::parse("docker-archive:x.tar").reference, std::nullopt);
  EXPECT_EQ(ImageName::parse("docker-archive:x.tar:app").reference->str(), "docker.io/library/app:latest");
  EXPECT_EQ(ImageName::parse("docker-archive:x.tar:@1").index, 1U);
  EXPECT_EQ(ImageName::parse("storage:app").str(), "storage:docker.io/library/app:latest");
  EXPECT_EQ(ImageName::parse("containers-storage:app").str(), "containers-storage:app");
  const auto placed = ImageName::parse("containers-storage:[overlay@/srv/images+/run/x:option=1]localhost/app:2");
  EXPECT_EQ(placed.path, "/srv/images");
  EXPECT_EQ(placed.reference->str(), "localhost/app:2");
  EXPECT_EQ(ImageName::parse("containers-storage:[/srv]@0123abcd").id, "0123abcd");
  EXPECT_EQ(ImageName::parse("docker-daemon:app:1").reference->str(), "docker.io/library/app:1");
  const std::string id = "sha256:" + std::string(64, 'a');
  EXPECT_EQ(ImageName::parse("docker-daemon:" + id).id, id);
  EXPECT_EQ(ImageName::parse("docker-archive:-:app").path, "-");
  EXPECT_EQ(ImageName::parse("storage:@0123abc").id, "0123abc");
}

TEST(ImageName, RefusesInSkopeosWords) {
  using ::testing::HasSubstr;
  EXPECT_THAT(error_of("foo"), HasSubstr("Invalid image name \"foo\", expected colon-separated transport:reference"));
  EXPECT_THAT(error_of("foo:bar"), HasSubstr("Invalid image name \"foo:bar\", unknown transport \"foo\""));
  EXPECT_THAT(error_of("docker:foo"), HasSubstr("docker: image reference foo does not start with //"));
  EXPECT_THAT(error_of("docker://foo:1@sha256:" + std::string(64, 'a')), HasSubstr("both a tag and digest"));
  EXPECT_THAT(error_of("docker-archive:"), HasSubstr("isn't of the form <path>[:<reference>]"));
  EXPECT_THAT(error_of("docker-archive:x:@-1"), HasSubstr("Invalid source index @-1: must not be negative"));
  EXPECT_THAT(error_of("docker-archive:x:@z"), HasSubstr("Invalid source index @z"));
  EXPECT_THAT(error_of("oci:x:bad/..//ref"), HasSubstr("Invalid image bad/..//ref"));
  EXPECT_THAT(error_of("oci:x:-bad"), HasSubstr("Invalid image"));
  EXPECT_THAT(error_of("docker://UPPER"), HasSubstr("lower"));
}

TEST(ImageName, ShowsControlBytesEscaped) {
  EXPECT_THAT(error_of("foo\x1b[2J:x"), ::testing::Not(::testing::HasSubstr("\x1b")));
}

}  // namespace
}  // namespace proa::transport
