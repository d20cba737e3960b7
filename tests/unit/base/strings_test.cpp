#include "libcommon/base/strings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proa {
namespace {

using testing::ElementsAre;

TEST(Strings, SplitKeepsEmptyParts) {
  EXPECT_THAT(split("a,,b,", ','), ElementsAre("a", "", "b", ""));
  EXPECT_THAT(split("", ','), ElementsAre(""));
  EXPECT_THAT(split("a:b:c", ':', 2), ElementsAre("a", "b:c"));
}

TEST(Strings, IntegersAreReadWhollyOrNotAtAll) {
  EXPECT_EQ(parse_integer<int>("-12"), -12);
  EXPECT_EQ(parse_integer<unsigned>("4294967295"), 4294967295u);
  for (const char* text : {"", " 1", "1 ", "+1", "1a", "0x1", "4294967296"})
    EXPECT_FALSE(parse_integer<unsigned>(text)) << text;
  EXPECT_FALSE(parse_integer<unsigned>("-1"));
}

// cli/control-characters in docs/security.md
TEST(Strings, ControlBytesAreMadeVisible) {
  EXPECT_EQ(escape_control("a\x1b[31mb\n\t\x07"), "a\\x1b[31mb\\n\\t\\x07");
  EXPECT_EQ(escape_control("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"),
            "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
  EXPECT_EQ(escape_control("\xc2\x9b\xff\xc0\xaf\xed\xa0\x80"), "\\xc2\\x9b\\xff\\xc0\\xaf\\xed\\xa0\\x80");
  EXPECT_EQ(escape_control("\x7f"), "\\x7f");
}

TEST(Strings, NearestFindsTyposOnly) {
  std::vector<std::string> verbs{"run", "rm", "images", "inspect"};
  EXPECT_EQ(nearest("imagse", verbs), "images");
  EXPECT_EQ(nearest("rnu", verbs), "run");
  EXPECT_EQ(nearest("frobnicate", verbs), std::nullopt);
}

}  // namespace
}  // namespace proa
