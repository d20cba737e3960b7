#include "tests/support/vectors.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <optional>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"

namespace proa::test {
namespace {

using nlohmann::json;

std::string vectors_folder() {
  const char* folder = std::getenv("PROA_VECTORS");
  if (folder && *folder) return folder;
  const char* source = std::getenv("PROA_SOURCE");
  return std::string(source && *source ? source : ".") + "/../shared/vectors";
}

struct Outcome {
  std::optional<json> value;  // nullopt: refused
  std::string refusal;
};

Outcome outcome_of(const VectorAnswer& answer, const json& in) {
  try {
    return {answer(in), ""};
  } catch (const Error& error) {
    return {std::nullopt, error.text()};
  }
}

std::string show(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

// Empty when the outcome is as the case wants it.
std::string difference(const json& test, const Outcome& outcome) {
  bool refused = test.value("error", false);
  if (refused && !outcome.value) return "";
  if (refused) return "should be refused (" + test.value("error_text", "") + "), but we answer " + show(*outcome.value);
  if (!outcome.value) return "we refuse it: " + outcome.refusal + "\n  expected: " + show(test.at("out"));
  if (*outcome.value == test.at("out")) return "";
  return "\n  expected: " + show(test.at("out")) + "\n  answered: " + show(*outcome.value);
}

void check_case(json test, const VectorAnswer& answer, const VectorDeviations& deviations, const VectorShape& shape) {
  const std::string id = test.at("id");
  if (shape && test.contains("out")) test["out"] = shape(test["out"]);
  auto shaped = [&](const json& in) { return shape ? shape(answer(in)) : answer(in); };
  std::string problem;
  try {
    problem = difference(test, outcome_of(shaped, test.at("in")));
  } catch (const std::exception& error) {
    problem = std::string("an exception that is no proa::Error: ") + error.what();
  }
  bool deviates = deviations.contains(id);
  if (deviates && problem.empty())
    ADD_FAILURE() << id << ": listed as a deviation, but it is answered as the case wants it";
  if (!deviates && !problem.empty()) ADD_FAILURE() << id << ": in " << show(test.at("in")) << ": " << problem;
}

bool is_empty(const json& value) {
  return value.is_null() || value == json(false) || value == json(0) || value == json("") ||
         (value.is_structured() && value.empty());
}

}  // namespace

void check_vectors(const std::string& category, const VectorAnswer& answer, const VectorDeviations& deviations,
                   const VectorShape& shape) {
  const std::string path = vectors_folder() + "/" + category + ".jsonl";
  std::ifstream file(path);
  if (!file) GTEST_SKIP() << "no vectors here: " << path;
  std::string line;
  int cases = 0;
  while (std::getline(file, line)) {
    if (line.empty()) continue;
    ++cases;
    check_case(json::parse(line), answer, deviations, shape);
  }
  EXPECT_GT(cases, 0) << path << " has no cases";
}

json without_empty_members(const json& value) {
  if (value.is_array()) {
    json list = json::array();
    for (const auto& element : value) list.push_back(without_empty_members(element));
    return list;
  }
  if (!value.is_object()) return value;
  json object = json::object();
  for (const auto& [key, member] : value.items()) {
    json kept = without_empty_members(member);
    if (!is_empty(kept)) object[key] = std::move(kept);
  }
  return object;
}

}  // namespace proa::test
