#include "tools/build/output/output_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libcommon/base/error.h"

namespace proa::build {
namespace {

using Kind = OutputSpec::Kind;

TEST(Output, ShortForms) {
  EXPECT_EQ(parse_output("-").kind, Kind::Tar);
  EXPECT_EQ(parse_output("-").destination, "-");
  EXPECT_EQ(parse_output("out/dir").kind, Kind::Local);
  EXPECT_EQ(parse_output("out/dir").destination, "out/dir");
}

TEST(Output, LongForms) {
  OutputSpec oci = parse_output("type=oci,dest=/x/y.tar,\"name=a,b\",compression=zstd,compression-level=3");
  EXPECT_EQ(oci.kind, Kind::Oci);
  EXPECT_EQ(oci.destination, "/x/y.tar");
  EXPECT_THAT(oci.names, ::testing::ElementsAre("a", "b"));
  EXPECT_EQ(oci.compression, "zstd");
  EXPECT_TRUE(parse_output("type=oci,tar=false,dest=d").unpacked);
  EXPECT_TRUE(parse_output("type=registry,name=r/x").push);
  EXPECT_TRUE(parse_output("type=image,name=r/x,push=true").push);
  EXPECT_EQ(parse_output("type=tar").destination, "-");
  EXPECT_EQ(parse_output("type=image,annotation.a=b").annotations.at("a"), "b");
}

TEST(Output, Mistakes) {
  for (const char* bad : {"", "type=", "type=local", "type=nope,dest=x", "dest=x", "type=tar,what=1", "type=oci,push=x",
                          "type=local,dest=-", "type=image,compression=rar"}) {
    EXPECT_THROW(parse_output(bad), Error) << bad;
  }
}

}  // namespace
}  // namespace proa::build
