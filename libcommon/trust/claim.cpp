#include "libcommon/trust/claim.h"

#include <fmt/core.h>

#include <algorithm>
#include <initializer_list>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/json.h"
#include "libcommon/trust/signature.h"

namespace proa::trust {
namespace {

std::string_view type_text(ClaimType type) {
  return type == ClaimType::Atomic ? "atomic container signature" : "cosign container image signature";
}

// Exactly these members, no fewer and no more.
void require_members(const oci::JsonObject& object, std::initializer_list<std::string_view> names) {
  for (const auto& item : object.value().items()) {
    if (std::ranges::find(names, item.key()) == names.end()) object.fail(escape_control(item.key()), "unknown member");
  }
  for (const auto name : names) {
    if (!object.has_key(name)) object.fail(name, "missing");
  }
}

}  // namespace

Claim parse_claim(std::string_view payload, ClaimType type) {
  const auto document = oci::parse_json(payload, "signed text", kMaxSignatureSize);
  const oci::JsonObject root(document, "signed text");
  require_members(root, {"critical", "optional"});
  const auto critical = root.require_object("critical");
  require_members(critical, {"type", "image", "identity"});
  if (critical.require_string("type") != type_text(type)) critical.fail("type", "not that of an image's signature");
  const auto image = critical.require_object("image");
  require_members(image, {"docker-manifest-digest"});
  const auto identity = critical.require_object("identity");
  require_members(identity, {"docker-reference"});
  // Peers check these two where they are there; their values decide nothing.
  if (const auto optional = root.object("optional")) {
    optional->string("creator");
    if (const auto* time = optional->find("timestamp"); time != nullptr && !time->is_number())
      optional->fail("timestamp", "not a number");
  }
  const auto digest = oci::Digest::try_parse(image.require_string("docker-manifest-digest"));
  if (!digest) image.fail("docker-manifest-digest", "not a digest");
  return {.manifest = *digest, .identity = identity.require_string("docker-reference")};
}

std::string encode_claim(const Claim& claim, ClaimType type, std::int64_t now_seconds) {
  nlohmann::ordered_json json;
  json["critical"]["identity"]["docker-reference"] = claim.identity;
  json["critical"]["image"]["docker-manifest-digest"] = claim.manifest.str();
  json["critical"]["type"] = type_text(type);
  json["optional"]["creator"] = fmt::format("proa {}", PROA_VERSION);
  json["optional"]["timestamp"] = now_seconds;
  return json.dump();
}

}  // namespace proa::trust
