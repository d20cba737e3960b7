#include "libcommon/base/bytes.h"

#include <gtest/gtest.h>

#include "libcommon/base/glob.h"
#include "libcommon/base/signals.h"
#include "libcommon/base/utf8.h"

namespace proa {
namespace {

TEST(Sizes, AreWrittenAsGoUnitsDoes) {
  EXPECT_EQ(human_size(0), "0B");
  EXPECT_EQ(human_size(999), "999B");
  EXPECT_EQ(human_size(1000), "1kB");
  EXPECT_EQ(human_size(5.59e6, 3), "5.59MB");
  EXPECT_EQ(human_size_binary(1536), "1.5KiB");
}

TEST(Sizes, AreRead) {
  EXPECT_EQ(parse_size_1024("512m"), 512 << 20);
  EXPECT_EQ(parse_size_1024("1.5 GiB"), 1610612736);
  EXPECT_EQ(parse_size_1000("1.5GB"), 1500000000);
  EXPECT_EQ(parse_size_1024("+1k"), 1024);
  EXPECT_EQ(parse_size_1024("1e3"), 1000);
}

TEST(Sizes, OthersAreRefused) {
  for (const char* text : {"", "x", "-1", "-1k", "+-1", "1kk", "1kib2", "1 k b", "inf", "inf ", "nan ", "1e400",
                           "9223372036854775808", "9000p", "0x10", "1,5k"}) {
    EXPECT_FALSE(parse_size_1024(text)) << text;
  }
}

TEST(Glob, MatchesAsGoDoes) {
  EXPECT_EQ(glob_match("a*c", "abbc"), true);
  EXPECT_EQ(glob_match("a*c", "ab/c"), false);
  EXPECT_EQ(glob_match("a?c",
                       "a\xc3\xa9"
                       "c"),
            true);
  EXPECT_EQ(glob_match("a?c", "a/c"), false);
  EXPECT_EQ(glob_match("[a-c]x", "bx"), true);
  EXPECT_EQ(glob_match("[^a-c]x", "bx"), false);
  EXPECT_EQ(glob_match("\\*", "*"), true);
  EXPECT_EQ(glob_match("*", ""), true);
  EXPECT_EQ(glob_match("", "a"), false);
  EXPECT_EQ(glob_match("a*b*c", "axbxbxc"), true);
  EXPECT_EQ(glob_match("ab", "a"), false);
}

TEST(Glob, FindsMalformedPatterns) {
  for (const char* pattern : {"[", "[]", "[a", "[a-]", "[-a]", "\\", "a[", "[^]", "x*[", "[a-b-c]"}) {
    EXPECT_EQ(glob_match(pattern, "a"), std::nullopt) << pattern;
  }
}

// One star after another must not multiply the time.
TEST(Glob, IsNotExponential) {
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "a*";
  EXPECT_EQ(glob_match(pattern + "b", std::string(2000, 'a')), false);
}

TEST(Utf8, IsStrict) {
  for (const char* text :
       {"", "abc", "\xc2\x80", "\xe2\x82\xac", "\xed\x9f\xbf", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_utf8(text)) << text;
  for (const char* text : {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                           "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "a\xffz", "\xe2\x82"}) {
    EXPECT_FALSE(is_utf8(text)) << text;
  }
}

TEST(Signals, HaveNames) {
  EXPECT_EQ(parse_signal("sigterm"), 15);
  EXPECT_EQ(parse_signal("9"), 9);
  EXPECT_EQ(parse_signal("SIGRTMIN+3"), 37);
  for (const char* text :
       {"", "0", "65", "-9", "SIG", "SIGNONE", "RTMIN-1", "RTMAX+1", "RTMIN+31", "9x", "SIGSIGTERM"}) {
    EXPECT_FALSE(parse_signal(text)) << text;
  }
  for (int signal = 1; signal <= kMaxSignal; ++signal)
    EXPECT_EQ(parse_signal(signal_name(signal)), signal) << signal_name(signal);
}

}  // namespace
}  // namespace proa
