#include "libcommon/transport/docker_signatures.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/lookaside.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/transport/docker_lookaside.h"
#include "libcommon/transport/signature_list.h"

namespace proa::transport {
namespace {

using config::Lookasides;

// What registries.d may have a scope for: the place that is really asked, with the tag or digest of the image.
oci::Reference place_of(const registry::Repository& repository, const oci::Reference& reference) {
  auto place = oci::Reference::parse_name(repository.name());
  if (reference.tag()) place = place.with_tag(*reference.tag());
  return reference.digest() ? place.with_digest(*reference.digest()) : place;
}

std::string attachment_tag(const oci::Digest& manifest) {
  return fmt::format("{}-{}.sig", manifest.algorithm_name(), manifest.hex());
}

std::optional<oci::Manifest> attachment_manifest(const registry::Repository& repository, const oci::Digest& manifest,
                                                 std::stop_token stop) {
  try {
    auto found = repository.manifest(attachment_tag(manifest), std::move(stop));
    return oci::Manifest::parse(std::move(found.raw), found.media_type);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::NotFound) return std::nullopt;
    throw;
  }
}

void read_attachments(const registry::Repository& repository, const oci::Digest& manifest, SignatureList& list,
                      std::stop_token stop) {
  const While reading{[&] { return fmt::format("signatures of {}@{}", repository.name(), manifest.str()); }};
  const auto attached = attachment_manifest(repository, manifest, stop);
  if (!attached) return;
  if (attached->layers.size() > trust::kMaxSignatures)
    throw Error(ErrorCode::LimitExceeded, fmt::format("more than {} attachments", trust::kMaxSignatures));
  for (const auto& layer : attached->layers) {
    if (layer.size > trust::kMaxSignatureSize)
      throw Error(ErrorCode::LimitExceeded,
                  fmt::format("an attachment is larger than {} bytes", trust::kMaxSignatureSize));
    io::VerifyingSource content(repository.unverified_blob(layer, stop), layer.digest, layer.size,
                                fmt::format("attachment {}", layer.digest.str()));
    list.add({.format = trust::Signature::Format::Sigstore,
              .payload = io::read_all(content, trust::kMaxSignatureSize, "attachment"),
              .media_type = layer.media_type,
              .annotations = layer.annotations});
  }
}

oci::Descriptor put_blob(const registry::Repository& repository, const std::string& bytes, std::string media_type,
                         std::stop_token stop) {
  const auto digest = io::digest_of(bytes);
  if (!repository.has_blob(digest, stop)) {
    io::MemorySource content(bytes);
    repository.put_blob(
        content,
        {.digest = digest,
         .size = bytes.size(),
         .reopen = [&bytes](std::uint64_t offset) { return std::make_unique<io::MemorySource>(bytes.substr(offset)); }},
        stop);
  }
  return {.media_type = std::move(media_type),
          .digest = digest,
          .size = bytes.size(),
          .urls = {},
          .annotations = {},
          .platform = {},
          .artifact_type = {}};
}

// An image config in form only: readers look at the layers of the manifest.
std::string attachment_config(const std::vector<oci::Descriptor>& layers) {
  nlohmann::ordered_json json = {{"architecture", ""}, {"os", ""}, {"config", nlohmann::ordered_json::object()}};
  json["rootfs"]["type"] = "layers";
  json["rootfs"]["diff_ids"] = nlohmann::ordered_json::array();
  for (const auto& layer : layers) json["rootfs"]["diff_ids"].push_back(layer.digest.str());
  return json.dump();
}

void write_attachments(const registry::Repository& repository, const oci::Digest& manifest,
                       const std::vector<trust::Signature>& signatures, std::stop_token stop) {
  const While writing{[&] { return fmt::format("attaching signatures to {}@{}", repository.name(), manifest.str()); }};
  std::vector<oci::Descriptor> layers;
  if (auto present = attachment_manifest(repository, manifest, stop)) layers = std::move(present->layers);
  const auto before = layers.size();
  for (const auto& signature : signatures) {
    auto layer = put_blob(repository, signature.payload, signature.media_type, stop);
    layer.annotations = signature.annotations;
    if (std::ranges::find(layers, layer) == layers.end()) layers.push_back(std::move(layer));
  }
  if (layers.size() == before) return;
  const auto config = attachment_config(layers);
  const auto attached =
      oci::Manifest::encode({.media_type = std::string(oci::kOciManifest),
                             .config = put_blob(repository, config, std::string(oci::kOciConfig), stop),
                             .layers = std::move(layers),
                             .annotations = {},
                             .artifact_type = {},
                             .subject = {},
                             .raw = {}});
  repository.put_manifest(attachment_tag(manifest), attached.raw, attached.media_type, stop);
}

void write_lookaside(const Lookasides& lookasides, const oci::Reference& place, const oci::Digest& manifest,
                     const trust::Signature& signature) {
  const auto url = lookasides.url(place, Lookasides::Access::Write);
  const auto folder = lookaside_folder(url);
  if (!folder) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("signatures cannot be written to {}", url),
                "name a folder as lookaside-staging: file:///... in registries.d, and publish it from there");
  }
  add_to_lookaside(*folder, place, manifest, signature);
}

}  // namespace

std::vector<trust::Signature> read_docker_signatures(const registry::Repository& repository,
                                                     const oci::Reference& reference, const RegistryOptions& options,
                                                     const oci::Digest& manifest, std::stop_token stop) {
  const auto lookasides = Lookasides::load(options.registries_d);
  const auto place = place_of(repository, reference);
  SignatureList list(place.str());
  read_lookaside(lookasides.url(place, Lookasides::Access::Read), place, manifest, list, stop);
  if (lookasides.attachments(place)) read_attachments(repository, manifest, list, stop);
  return std::move(list).take();
}

void write_docker_signatures(const registry::Repository& repository, const oci::Reference& reference,
                             const RegistryOptions& options, const oci::Digest& manifest,
                             const std::vector<trust::Signature>& signatures, std::stop_token stop) {
  const auto lookasides = Lookasides::load(options.registries_d);
  const auto place = place_of(repository, reference);
  std::vector<trust::Signature> attachments;
  for (const auto& signature : signatures) {
    if (signature.format == trust::Signature::Format::Sigstore) {
      attachments.push_back(signature);
    } else {
      write_lookaside(lookasides, place, manifest, signature);
    }
  }
  if (attachments.empty()) return;
  if (!lookasides.attachments(place)) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}: sigstore signatures are not kept there", place.name()),
                "set use-sigstore-attachments: true for it in registries.d (containers-registries.d(5))");
  }
  write_attachments(repository, manifest, attachments, std::move(stop));
}

}  // namespace proa::transport
