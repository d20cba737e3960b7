#include "libcommon/base/json.h"
#include "libcommon/oci/json.h"

#include <gtest/gtest.h>

#include "libcommon/base/error.h"

namespace proa::oci {
namespace {

using nlohmann::json;

ErrorCode refusal(std::string_view text, std::uint64_t max_size = 1 << 20) {
  try {
    parse_json(text, "document", max_size);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::Internal;
}

TEST(StrictJson, ReadsWhatTheLibraryReads) {
  const char* text = R"( {"a": [1, -2, 2.5, true, null, "x\u00e9\n", {}], "b": {"c": {"d": []}}, "": 0} )";
  EXPECT_EQ(parse_json(text, "document", 1000), json::parse(text));
  EXPECT_EQ(parse_json("[[[1],[2]],[3]]", "document", 1000), json::parse("[[[1],[2]],[3]]"));
  EXPECT_EQ(parse_json("7", "document", 1000), json(7));
}

TEST(StrictJson, RefusesWhatReadersDisagreeOn) {
  for (std::string_view text :
       {R"({"a":1,"a":1})", R"({"x":{"a":1,"b":2,"a":3}})", R"([{"a":1,"\u0061":2}])", R"({"a":1} x)", R"({"a":1}{})",
        "", "{", "[1,]", "{'a':1}", "[01]", "[NaN]", "// c\n1", "[\"\xff\"]", "\xef\xbb\xbf{}", "[\"a\nb\"]"}) {
    EXPECT_EQ(refusal(text), ErrorCode::Corrupt) << text;
  }
  EXPECT_EQ(refusal(std::string_view("{}\0", 3)), ErrorCode::Corrupt);
  EXPECT_EQ(refusal(std::string_view("{}\0{}", 5)), ErrorCode::Corrupt);
}

TEST(StrictJson, HasCeilings) {
  auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(refusal(nested(kMaxJsonDepth)), ErrorCode::Internal) << "as deep as allowed";
  EXPECT_EQ(refusal(nested(kMaxJsonDepth + 1)), ErrorCode::Corrupt);
  EXPECT_EQ(refusal(std::string(900'000, '[')), ErrorCode::Corrupt);
  EXPECT_EQ(refusal("[1,2]", 4), ErrorCode::LimitExceeded);
  EXPECT_EQ(refusal("[1,2]", 5), ErrorCode::Internal);
}

TEST(JsonObject, NamesTheFieldInErrors) {
  json root = json::parse(
      R"({"list": [{"size": 1}, {"size": 2.5}], "name": 3, "neg": -1, "big": 9223372036854775808, "nothing": null,
                              "texts": ["a", 1], "map": {"k": 1}})");
  JsonObject object(root, "manifest");
  auto message = [](auto&& action) -> std::string {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::Corrupt);
      return error.text();
    }
    return "no error";
  };
  EXPECT_EQ(message([&] { object.require_objects("list")[1].require_size("size"); }),
            "manifest: list[1].size: not a whole number of 64 bits");
  EXPECT_EQ(message([&] { (void)object.string("name"); }), "manifest: name: not a text");
  EXPECT_EQ(message([&] { object.require_size("neg"); }), "manifest: neg: negative");
  EXPECT_EQ(message([&] { object.require_size("big"); }), "manifest: big: not a whole number of 64 bits");
  EXPECT_EQ(message([&] { object.require_size("nothing"); }), "manifest: nothing: missing");
  EXPECT_EQ(message([&] { object.require_size("Name"); }), "manifest: Name: missing");
  EXPECT_EQ(message([&] { (void)object.strings("texts"); }), "manifest: texts[1]: not a text");
  EXPECT_EQ(message([&] { object.string_map("map"); }), "manifest: map.k: not a text");
  EXPECT_EQ(message([&] { (void)object.object("list"); }), "manifest: list: not an object");
  EXPECT_EQ(message([&] { object.refuse_lookalikes({"LIST"}); }), "manifest: list: readers could take it for \"LIST\"");
}

}  // namespace
}  // namespace proa::oci
