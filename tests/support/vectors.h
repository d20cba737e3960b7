// Runs the parsing vectors: language-neutral cases, one JSON object a line, that are no part of this tree.
// They are looked for in $PROA_VECTORS, else in ../shared/vectors beside the source tree; where there are none the test
// is skipped.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace proa::test {

// Gives our answer to one case's input, in the shape of its output; throws proa::Error where the input is refused.
using VectorAnswer = std::function<nlohmann::json(const nlohmann::json& in)>;

// Cases (by id) where we answer differently on purpose, with the reason. They must really differ, or the test fails.
using VectorDeviations = std::map<std::string, std::string>;

// Brings answer and expected output into one shape before they are compared, such as without_empty_members.
using VectorShape = std::function<nlohmann::json(const nlohmann::json& out)>;

// Runs every case of a category inside the present gtest test. Each wrong case is one failure that begins with its id.
void check_vectors(const std::string& category, const VectorAnswer& answer, const VectorDeviations& deviations = {},
                   const VectorShape& shape = {});

// A copy without members that are null, false, 0, "", [] or {}: the vectors leave such members out. Recursive; array
// elements stay.
nlohmann::json without_empty_members(const nlohmann::json& value);

}  // namespace proa::test
