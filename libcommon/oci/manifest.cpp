#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/descriptor_json.h"
#include "libcommon/oci/image.h"
#include "libcommon/oci/media_types.h"

namespace proa::oci {
namespace {

using nlohmann::json;

// An index entry is about 250 bytes, so 4 MiB hold more than anybody's; this bounds the work done for each.
constexpr std::size_t kMaxIndexEntries = 10000;

// A Content-Type without its parameters, in lower case; the types that servers send for anything count as unknown.
std::string plain_type(std::string_view declared) {
  std::string type = to_lower(trim(declared.substr(0, declared.find(';'))));
  if (type == "application/json" || type == "text/plain" || type == "application/octet-stream") return "";
  return type;
}

// Opens a document and settles its media type. An attacker who can make two clients see two things in one body defeats
// signatures (CVE-2021-41190), hence: one type, which body, descriptor and members agree on.
struct Document {
  JsonObject object;
  std::string media_type;
};

Document open_document(const json& root, std::string_view declared, bool index) {
  const std::string what = index ? "index" : "manifest";
  JsonObject object(root, what);
  if (auto version = object.integer("schemaVersion"); version != 2) {
    if (version == 1 && !index) {
      throw Error(ErrorCode::Unsupported, "manifest: Docker image manifest version 2, schema 1 is not supported",
                  "push the image again with a current tool");
    }
    object.fail("schemaVersion", "not 2");
  }
  object.refuse_lookalikes({"schemaVersion", "mediaType", "config", "layers", "manifests", "annotations",
                            "artifactType", "subject", "fsLayers", "history", "signatures"});
  for (const char* key : {"manifests", "fsLayers"}) {
    if (!index && object.has_key(key)) object.fail(key, "a manifest cannot have this member");
  }
  for (const char* key : {"config", "layers", "fsLayers"}) {
    if (index && object.has_key(key)) object.fail(key, "an index cannot have this member");
  }
  std::string type = object.string_or_empty("mediaType");
  std::string expected = plain_type(declared);
  if (type.empty()) type = expected.empty() ? std::string(index ? kOciIndex : kOciManifest) : expected;
  if (!expected.empty() && expected != type) {
    object.fail("mediaType",
                fmt::format("is {} where {} was announced", escape_control(type), escape_control(expected)));
  }
  if (index ? !is_index_type(type) : !is_manifest_type(type)) {
    object.fail("mediaType", fmt::format("{} is no type of an image {}", escape_control(type), what));
  }
  return {object, type};
}

std::optional<Descriptor> decode_subject(const JsonObject& object) {
  auto subject = object.object("subject");
  return subject ? std::optional(decode_descriptor(*subject)) : std::nullopt;
}

// The members that manifests and indexes share.
template <typename Fields>
json encode_common(const Fields& fields) {
  json root = {{"schemaVersion", 2}, {"mediaType", fields.media_type}};
  if (!fields.annotations.empty()) root["annotations"] = fields.annotations;
  if (fields.artifact_type) root["artifactType"] = *fields.artifact_type;
  if (fields.subject) root["subject"] = encode_descriptor(*fields.subject);
  return root;
}

}  // namespace

bool is_index_type(std::string_view type) { return type == kOciIndex || type == kDockerManifestList; }
bool is_manifest_type(std::string_view type) { return type == kOciManifest || type == kDockerManifest; }

bool is_foreign_layer_type(std::string_view type) {
  return type == kOciLayerNondistributable || type == kOciLayerNondistributableGzip ||
         type == kOciLayerNondistributableZstd || type == kDockerForeignLayer || type == kDockerForeignLayerGzip;
}

bool is_layer_type(std::string_view type) {
  return type == kOciLayer || type == kOciLayerGzip || type == kOciLayerZstd || type == kDockerLayer ||
         type == kDockerLayerGzip || type == kDockerLayerZstd || is_foreign_layer_type(type);
}

Manifest Manifest::parse(std::string raw, std::string_view declared_type) {
  json root = parse_json(raw, "manifest", kMaxManifestSize);
  auto [object, type] = open_document(root, declared_type, false);
  auto layers = object.require_objects("layers");
  if (layers.size() > kMaxLayers) object.fail("layers", fmt::format("more than {} layers", kMaxLayers));
  return Manifest{.media_type = type,
                  .config = decode_descriptor(object.require_object("config")),
                  .layers = decode_descriptors(layers),
                  .annotations = object.string_map("annotations"),
                  .artifact_type = object.string("artifactType"),
                  .subject = decode_subject(object),
                  .raw = std::move(raw)};
}

Manifest Manifest::encode(Manifest fields) {
  if (fields.media_type.empty()) fields.media_type = kOciManifest;
  json root = encode_common(fields);
  root["config"] = encode_descriptor(fields.config);
  root["layers"] = encode_descriptors(fields.layers);
  fields.raw = dump_json(root);
  return fields;
}

Index Index::parse(std::string raw, std::string_view declared_type) {
  json root = parse_json(raw, "index", kMaxManifestSize);
  auto [object, type] = open_document(root, declared_type, true);
  auto manifests = object.require_objects("manifests");
  if (manifests.size() > kMaxIndexEntries)
    object.fail("manifests", fmt::format("more than {} entries", kMaxIndexEntries));
  return Index{.media_type = type,
               .manifests = decode_descriptors(manifests),
               .annotations = object.string_map("annotations"),
               .artifact_type = object.string("artifactType"),
               .subject = decode_subject(object),
               .raw = std::move(raw)};
}

Index Index::encode(Index fields) {
  if (fields.media_type.empty()) fields.media_type = kOciIndex;
  json root = encode_common(fields);
  root["manifests"] = encode_descriptors(fields.manifests);
  fields.raw = dump_json(root);
  return fields;
}

const Descriptor* Index::select(const Platform& wanted) const {
  const Descriptor* best = nullptr;
  const Descriptor* without_platform = nullptr;
  int best_rank = 0;
  for (const auto& entry : manifests) {
    if (!is_manifest_type(entry.media_type) && !is_index_type(entry.media_type)) continue;
    if (!entry.platform) {
      if (!without_platform && !entry.artifact_type) without_platform = &entry;
      continue;
    }
    auto rank = match_rank(wanted, *entry.platform);
    if (rank && (!best || *rank < best_rank)) {
      best = &entry;
      best_rank = *rank;
    }
  }
  return best ? best : without_platform;
}

void check_layers(const Manifest& manifest, const ImageConfig& config) {
  for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
    const auto& type = manifest.layers[i].media_type;
    if (is_layer_type(type)) continue;
    throw Error(ErrorCode::Unsupported,
                fmt::format("manifest: layers[{}]: {} is not a layer type we can unpack", i, escape_control(type)));
  }
  if (manifest.layers.size() != config.diff_ids.size()) {
    throw Error(ErrorCode::Corrupt, fmt::format("image: the manifest has {} layers and the config {} diff ids",
                                                manifest.layers.size(), config.diff_ids.size()));
  }
}

std::vector<ChainId> chain_ids(const std::vector<DiffId>& diff_ids, Digest (*hash)(std::string_view)) {
  std::vector<ChainId> chain;
  for (const auto& diff_id : diff_ids) {
    chain.emplace_back(chain.empty() ? diff_id.digest() : hash(chain.back().str() + " " + diff_id.str()));
  }
  return chain;
}

}  // namespace proa::oci
