// How descriptors and platforms stand in JSON: shared by manifests, indexes and configs.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "libcommon/oci/image.h"
#include "libcommon/oci/json.h"

namespace proa::oci {

Descriptor decode_descriptor(const JsonObject& object);
nlohmann::json encode_descriptor(const Descriptor& descriptor);
std::vector<Descriptor> decode_descriptors(const std::vector<JsonObject>& objects);
nlohmann::json encode_descriptors(const std::vector<Descriptor>& descriptors);
// The members os, architecture, variant, os.version and os.features, which may all be absent.
Platform decode_platform(const JsonObject& object);
void encode_platform(const Platform& platform, nlohmann::json& into);
Digest decode_digest(const JsonObject& object, std::string_view key);

}  // namespace proa::oci
