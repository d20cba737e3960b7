#include <gtest/gtest.h>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/signals.h"
#include "libcommon/base/time.h"
#include "tests/support/vectors.h"

namespace proa::test {
namespace {

using nlohmann::json;

template <typename Value>
json or_refuse(const std::optional<Value>& value) {
  if (!value) throw Error(ErrorCode::InvalidArgument, "malformed");
  return *value;
}

std::string text_of(const json& in) { return in.at("text"); }

TEST(Vectors, SizeParse1000) {
  check_vectors("size-parse-1000", [](const json& in) { return or_refuse(parse_size_1000(text_of(in))); });
}
TEST(Vectors, SizeParse1024) {
  check_vectors("size-parse-1024", [](const json& in) { return or_refuse(parse_size_1024(text_of(in))); });
}
TEST(Vectors, SizeFormat1000) {
  check_vectors("size-format-1000", [](const json& in) { return json(human_size(in.at("size").get<double>())); });
}
TEST(Vectors, SizeFormat1024) {
  check_vectors("size-format-1024",
                [](const json& in) { return json(human_size_binary(in.at("size").get<double>())); });
}
TEST(Vectors, DurationFormat) {
  check_vectors("duration-format",
                [](const json& in) { return json(human_duration(Duration(in.at("ns").get<std::int64_t>()))); });
}
TEST(Vectors, Signal) {
  check_vectors("signal", [](const json& in) { return or_refuse(parse_signal(text_of(in))); });
}

}  // namespace
}  // namespace proa::test
