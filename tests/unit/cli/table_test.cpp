#include "libcommon/cli/table.h"
#include "libcommon/base/json.h"

#include <gtest/gtest.h>

#include "libcommon/base/error.h"

namespace proa::cli {
namespace {

using nlohmann::json;

const Listing kListing{.default_format = "table {{.ID}}\\t{{.Image}}\\t{{.Names}}",
                       .headers = {{"ID", "CONTAINER ID"}}};
const json kRows = json::parse(R"([{"ID": "0123456789ab", "Image": "alpine", "Names": "web", "CreatedAt": "now"},
                                   {"ID": "ba9876543210", "Image": "a-long-image:name", "Names": "db", "CreatedAt": "then"}])");

TEST(Table, DefaultIsAligned) {
  const std::string expected =
      "CONTAINER ID   IMAGE               NAMES\n"
      "0123456789ab   alpine              web\n"
      "ba9876543210   a-long-image:name   db\n";
  EXPECT_EQ(format_listing(kListing, "", kRows), expected);
  EXPECT_EQ(format_listing(kListing, "table", kRows), expected);
}

TEST(Table, NarrowColumnsAreTenWide) {
  EXPECT_EQ(align_columns({{"A", "B"}, {"1", "2"}}), "A         B\n1         2\n");
}

TEST(Table, WidthsCountCharacters) {
  EXPECT_EQ(align_columns({{"äöüäöüäöü", "x"}, {"123456789", "y"}}), "äöüäöüäöü   x\n123456789   y\n");
}

TEST(Table, EmptyListHasAHeader) {
  EXPECT_EQ(format_listing(kListing, "", json::array()), "CONTAINER ID   IMAGE     NAMES\n");
  EXPECT_EQ(format_listing(kListing, "", json::array(), false), "");
}

TEST(Table, ChosenColumns) {
  EXPECT_EQ(format_listing(kListing, "table {{.CreatedAt}}\t{{upper .Image}}", kRows),
            "CREATED AT   IMAGE\nnow          ALPINE\nthen         A-LONG-IMAGE:NAME\n");
}

TEST(Table, TemplateGivesALineEach) {
  EXPECT_EQ(format_listing(kListing, "{{.ID}}:{{.Names}}", kRows), "0123456789ab:web\nba9876543210:db\n");
  EXPECT_EQ(format_listing(kListing, "{{println .Names}}", kRows), "web\ndb\n");
  EXPECT_EQ(format_listing(kListing, "{{range .}}{{.Names}};{{end}}", kRows), "web;db;");
}

TEST(Table, JsonIsOneArray) { EXPECT_EQ(json::parse(format_listing(kListing, "json", kRows)), kRows); }

TEST(Table, UnknownFieldIsAnError) { EXPECT_THROW(format_listing(kListing, "{{.Nmae}}", kRows), Error); }

// threats.md, CVE-2023-28101: names and labels may not speak to the terminal, nor add lines or columns.
TEST(Table, ControlCharactersMakeNoLinesAndNoColumns) {
  json rows = json::array({{{"ID", "1"}, {"Image", "a\x1b]0;x\x07"}, {"Names", "x\ny\tz"}}});
  EXPECT_EQ(format_listing(kListing, "", rows, false), "1         a\\x1b]0;x\\x07   x\\ny\\tz\n");
}

TEST(Table, InspectPrintsEachObject) {
  EXPECT_EQ(format_inspect("{{.ID}}", kRows), "0123456789ab\nba9876543210\n");
  EXPECT_EQ(json::parse(format_inspect("", kRows)), kRows);
}

TEST(Table, EllipsisKeepsCharactersWhole) {
  EXPECT_EQ(ellipsis("short", 10), "short");
  EXPECT_EQ(ellipsis("0123456789", 5), "0123\xe2\x80\xa6");
  EXPECT_EQ(ellipsis("ääää", 3), "ää\xe2\x80\xa6");
}

}  // namespace
}  // namespace proa::cli
