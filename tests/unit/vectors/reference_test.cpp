#include "libcommon/oci/reference.h"
#include "libcommon/base/json.h"

#include <gtest/gtest.h>

#include "libcommon/base/error.h"
#include "tests/support/vectors.h"

namespace proa::test {
namespace {

using nlohmann::json;
using oci::Reference;

json describe(const Reference& reference) {
  json out = {{"domain", reference.domain()},     {"path", reference.path()},
              {"name", reference.name()},         {"string", reference.str()},
              {"familiar", reference.familiar()}, {"familiar_name", reference.familiar_name()}};
  if (reference.tag()) out["tag"] = *reference.tag();
  if (reference.digest()) out["digest"] = reference.digest()->str();
  return out;
}

std::string ref_of(const json& in) { return in.at("ref"); }

TEST(Vectors, ReferenceParse) {
  check_vectors("reference-parse", [](const json& in) { return describe(Reference::parse(ref_of(in))); });
}

TEST(Vectors, ReferenceNormalized) {
  check_vectors("reference-normalized",
                [](const json& in) { return describe(Reference::parse_normalized(ref_of(in))); });
}

TEST(Vectors, ReferenceWithName) {
  check_vectors("reference-with-name", [](const json& in) { return describe(Reference::parse_name(ref_of(in))); });
}

TEST(Vectors, ReferenceDocker) {
  check_vectors("reference-docker", [](const json& in) {
    Reference reference = Reference::parse_normalized(ref_of(in));
    return describe(reference.digest() ? reference.without_tag() : reference.with_default_tag());
  });
}

TEST(Vectors, ReferenceAny) {
  check_vectors("reference-any", [](const json& in) {
    auto name = oci::parse_image_name(ref_of(in));
    if (name.reference) return describe(*name.reference);
    return json{{"digest", name.digest->str()}, {"familiar", name.digest->str()}, {"string", name.digest->str()}};
  });
}

TEST(Vectors, ReferenceCanonicalNamed) {
  check_vectors("reference-canonical-named", [](const json& in) {
    Reference reference = Reference::parse_normalized(ref_of(in));
    if (reference.str() != ref_of(in)) throw Error(ErrorCode::InvalidArgument, "not canonical");
    return describe(reference);
  });
}

TEST(Vectors, ReferenceMatch) {
  check_vectors("reference-match", [](const json& in) {
    return json(Reference::parse_normalized(ref_of(in)).matches(in.at("pattern").get<std::string>()));
  });
}

}  // namespace
}  // namespace proa::test
