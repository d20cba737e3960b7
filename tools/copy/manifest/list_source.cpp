#include "tools/copy/manifest/list_source.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/trust/evaluate.h"

namespace proa::copy {

using transport::ImageSource;
using transport::ManifestBytes;

const ImageSource& ListSource::source_of(const oci::Digest& instance) const {
  const auto where = list_.sources.find(instance);
  if (where == list_.sources.end())
    throw Error(ErrorCode::NotFound, fmt::format("where {} is, the list does not say", instance.str()));
  auto& source = opened_[where->second];
  if (!source) source = transport::open_source(transport::ImageName::parse(where->second), options_);
  return *source;
}

// What is in our own store was asked about when it came in.
void ListSource::require_allowed(const std::string& where, const ImageSource& source, const ManifestBytes& manifest,
                                 const std::stop_token& stop) const {
  if (transport::ImageName::parse(where).kind == transport::Kind::Storage) return;
  trust::Evaluator(config::Policy::load())
      .require_allowed({.name = source.name(),
                        .scope = source.policy_scope(),
                        .reference = source.docker_reference(),
                        .manifest = manifest.bytes},
                       [&] { return source.signatures(manifest.digest(), std::nullopt, stop); });
}

ManifestBytes ListSource::read_manifest(const std::optional<oci::Digest>& instance, std::stop_token stop) const {
  if (!instance) return {list_.index.raw, list_.index.media_type};
  const std::lock_guard guard(mutex_);
  const auto& source = source_of(*instance);
  auto bytes = source.manifest(std::nullopt, stop);
  if (bytes.digest() != *instance) bytes = source.manifest(*instance, stop);
  require_allowed(list_.sources.at(*instance), source, bytes, stop);
  const auto manifest = oci::Manifest::parse(bytes.bytes, bytes.media_type);
  places_[manifest.config.digest] = &source;
  for (const auto& layer : manifest.layers) places_[layer.digest] = &source;
  return bytes;
}

std::vector<trust::Signature> ListSource::signatures(const oci::Digest& manifest,
                                                     const std::optional<oci::Digest>& instance,
                                                     std::stop_token stop) const {
  if (!instance) return {};
  const std::lock_guard guard(mutex_);
  return source_of(*instance).signatures(manifest, std::nullopt, std::move(stop));
}

std::unique_ptr<io::Source> ListSource::open_blob(const oci::Descriptor& blob, std::stop_token stop) const {
  const ImageSource* source = nullptr;
  {
    const std::lock_guard guard(mutex_);
    const auto found = places_.find(blob.digest);
    if (found != places_.end()) source = found->second;
  }
  if (source == nullptr)
    throw Error(ErrorCode::NotFound, fmt::format("no image of the list has {}", blob.digest.str()));
  return source->blob(blob, std::move(stop));
}

}  // namespace proa::copy
