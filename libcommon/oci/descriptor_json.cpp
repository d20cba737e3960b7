#include "libcommon/oci/descriptor_json.h"

#include "libcommon/base/json.h"

namespace proa::oci {

using nlohmann::json;

Digest decode_digest(const JsonObject& object, std::string_view key) {
  auto digest = Digest::try_parse(object.require_string(key));
  if (!digest) object.fail(key, "not a valid digest");
  return *digest;
}

Platform decode_platform(const JsonObject& object) {
  Platform platform;
  platform.os = object.string_or_empty("os");
  platform.architecture = object.string_or_empty("architecture");
  platform.variant = object.string_or_empty("variant");
  platform.os_version = object.string_or_empty("os.version");
  platform.os_features = object.strings_or_empty("os.features");
  return platform;
}

void encode_platform(const Platform& platform, json& into) {
  auto set = [&](const char* key, const auto& value) {
    if (value.empty()) {
      into.erase(key);
    } else {
      into[key] = value;
    }
  };
  set("os", platform.os);
  set("architecture", platform.architecture);
  set("variant", platform.variant);
  set("os.version", platform.os_version);
  set("os.features", platform.os_features);
}

Descriptor decode_descriptor(const JsonObject& object) {
  object.refuse_lookalikes({"mediaType", "digest", "size", "urls", "annotations", "platform", "artifactType"});
  Descriptor descriptor{.media_type = object.require_string("mediaType"),
                        .digest = decode_digest(object, "digest"),
                        .size = object.require_size("size"),
                        .urls = object.strings_or_empty("urls"),
                        .annotations = object.string_map("annotations"),
                        .platform = std::nullopt,
                        .artifact_type = object.string("artifactType")};
  if (auto platform = object.object("platform")) descriptor.platform = decode_platform(*platform);
  return descriptor;
}

json encode_descriptor(const Descriptor& descriptor) {
  json object = {{"mediaType", descriptor.media_type}, {"digest", descriptor.digest.str()}, {"size", descriptor.size}};
  if (!descriptor.urls.empty()) object["urls"] = descriptor.urls;
  if (!descriptor.annotations.empty()) object["annotations"] = descriptor.annotations;
  if (descriptor.artifact_type) object["artifactType"] = *descriptor.artifact_type;
  if (descriptor.platform) {
    object["platform"] = json::object();
    encode_platform(*descriptor.platform, object["platform"]);
  }
  return object;
}

std::vector<Descriptor> decode_descriptors(const std::vector<JsonObject>& objects) {
  std::vector<Descriptor> descriptors;
  descriptors.reserve(objects.size());
  for (const auto& object : objects) descriptors.push_back(decode_descriptor(object));
  return descriptors;
}

json encode_descriptors(const std::vector<Descriptor>& descriptors) {
  json list = json::array();
  for (const auto& descriptor : descriptors) list.push_back(encode_descriptor(descriptor));
  return list;
}

}  // namespace proa::oci
