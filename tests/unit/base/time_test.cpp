#include "libcommon/base/time.h"

#include <gtest/gtest.h>

namespace proa {
namespace {

using namespace std::chrono_literals;

TEST(Rfc3339, RoundTrips) {
  for (const char* text : {"1970-01-01T00:00:00Z", "2026-11-23T08:00:00.123456789Z", "2024-02-29T23:59:59.5Z",
                           "1969-12-31T23:59:59.999999999Z", "1678-01-01T00:00:00Z", "2261-12-31T23:59:59Z"}) {
    auto time = parse_rfc3339(text);
    ASSERT_TRUE(time) << text;
    EXPECT_EQ(format_rfc3339(*time), text);
  }
}

TEST(Rfc3339, UnderstandsOffsetsAndLongFractions) {
  EXPECT_EQ(format_rfc3339(*parse_rfc3339("2026-11-23T01:30:00+01:30")), "2026-11-23T00:00:00Z");
  EXPECT_EQ(format_rfc3339(*parse_rfc3339("2026-11-22T22:00:00.5-02:00")), "2026-11-23T00:00:00.5Z");
  EXPECT_EQ(format_rfc3339(*parse_rfc3339("2026-11-23T00:00:00.1234567899999Z")), "2026-11-23T00:00:00.123456789Z");
}

TEST(Rfc3339, RefusesOtherTexts) {
  for (const char* text :
       {"", "2026-11-23", "2026-11-23T08:00:00", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-23T24:00:00Z",
        "2026-11-23T08:00:00.Z", "2026-11-23T08:00:00+1:00", "26-11-23T08:00:00Z", "2026-11-23T08:00:00Zx",
        "+026-11-23T08:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

struct DurationCase {
  const char* text;
  Duration value;
};

TEST(GoDuration, ParsesAndFormats) {
  for (const auto& [text, value] : {DurationCase{"0s", 0s},
                                    {"1h2m3.5s", 1h + 2min + 3500ms},
                                    {"300ms", 300ms},
                                    {"1.5\xc2\xb5s", 1500ns},
                                    {"-1h30m0s", -90min},
                                    {"2540400h10m10s", 2540400h + 10min + 10s},
                                    {"1ns", 1ns},
                                    {"2562047h47m16.854775807s", Duration::max()},
                                    {"-2562047h47m16.854775808s", Duration::min()}}) {
    auto parsed = parse_go_duration(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, value) << text;
    EXPECT_EQ(format_go_duration(value), text);
  }
  EXPECT_EQ(parse_go_duration("0"), 0s);
  EXPECT_EQ(parse_go_duration("1.5h"), 90min);
  EXPECT_EQ(parse_go_duration(".5s"), 500ms);
  EXPECT_EQ(parse_go_duration("5.s"), 5s);
  EXPECT_EQ(parse_go_duration("1us"), 1us);
  EXPECT_EQ(parse_go_duration("0.100000000000000000000h"), 6min);
  EXPECT_EQ(parse_go_duration("+5s"), 5s);
}

TEST(GoDuration, RefusesOtherTexts) {
  for (const char* text : {"", "3", "-", "s", ".", "-.s", ".s", "+.s", "1d", "1h 2m", "9223372036854775808ns",
                           "-9223372036854775809ns", "2562047h47m16.854775808s", "1e3s", "--1s", "1.2.3s"}) {
    EXPECT_FALSE(parse_go_duration(text)) << text;
  }
}

TEST(HumanDuration, IsRough) {
  EXPECT_EQ(human_duration(0s), "Less than a second");
  EXPECT_EQ(human_duration(-5s), "Less than a second");
  EXPECT_EQ(human_duration(1s), "1 second");
  EXPECT_EQ(human_duration(59s), "59 seconds");
  EXPECT_EQ(human_duration(60s), "About a minute");
  EXPECT_EQ(human_duration(70min), "About an hour");
  EXPECT_EQ(human_duration(47h), "47 hours");
  EXPECT_EQ(human_duration(24h * 800), "2 years");
}

}  // namespace
}  // namespace proa
