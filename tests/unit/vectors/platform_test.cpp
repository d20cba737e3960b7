#include "libcommon/oci/platform.h"
#include "libcommon/base/json.h"

#include <gtest/gtest.h>

#include "tests/support/vectors.h"

namespace proa::test {
namespace {

using nlohmann::json;

TEST(Vectors, PlatformParse) {
  check_vectors("platform-parse", [](const json& in) {
    auto platform = oci::Platform::parse(in.at("text").get<std::string>());
    json fields = {{"os", platform.os},
                   {"architecture", platform.architecture},
                   {"variant", platform.variant},
                   {"os.version", platform.os_version},
                   {"os.features", platform.os_features}};
    return json{{"normalized", platform.str()}, {"platform", without_empty_members(fields)}};
  });
}

}  // namespace
}  // namespace proa::test
