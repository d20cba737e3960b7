#include "libcommon/image/signing.h"

#include <fmt/core.h>

#include "libcommon/base/error.h"

namespace proa::image {

using transport::SignatureStorage;

Signing::Signing(const transport::ImageSource& source, transport::ImageDestination& destination,
                 const CopyOptions& options, const CopyContext& context)
    : source_(source),
      destination_(destination),
      options_(options),
      context_(context),
      evaluator_(context.policy ? *context.policy : config::Policy::load()),
      identity_(options.sign_identity ? options.sign_identity : destination.docker_reference()) {
  if (options.signers.empty()) return;
  if (destination.traits().signatures != SignatureStorage::Kept)
    throw Error(ErrorCode::InvalidArgument, fmt::format("{} cannot hold signatures", destination.name()));
  if (!identity_ || (!identity_->tag() && !identity_->digest())) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{} has no name with a tag that could be signed", destination.name()),
                "say which one with --sign-identity");
  }
}

const std::vector<trust::Signature>& Signing::read(const oci::Digest& manifest,
                                                   const std::optional<oci::Digest>& instance) {
  if (read_for_ != manifest) {
    read_ = source_.signatures(manifest, instance, context_.stop);
    read_for_ = manifest;
  }
  return read_;
}

void Signing::require_allowed(const transport::ManifestBytes& manifest, const std::optional<oci::Digest>& instance) {
  evaluator_.require_allowed({.name = source_.name(),
                              .scope = source_.policy_scope(),
                              .reference = source_.docker_reference(),
                              .manifest = manifest.bytes},
                             [&] { return read(manifest.digest(), instance); });
}

std::vector<trust::Signature> Signing::carried(const transport::ManifestBytes& manifest,
                                               const std::optional<oci::Digest>& instance) {
  const auto storage = destination_.traits().signatures;
  if (options_.remove_signatures || storage == SignatureStorage::Dropped) return {};
  const auto& signatures = read(manifest.digest(), instance);
  if (!signatures.empty() && storage == SignatureStorage::None) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("the image is signed, and {} cannot hold signatures", destination_.name()),
                kRemoveSignatures);
  }
  return signatures;
}

void Signing::put(std::vector<trust::Signature> carried, const oci::Digest& digest,
                  const std::optional<oci::Digest>& instance) {
  for (const auto& signer : options_.signers) carried.push_back(signer->sign(digest, *identity_));
  if (carried.empty()) return;
  if (context_.observer != nullptr) context_.observer->note("Storing signatures");
  destination_.put_signatures(carried, digest, instance, context_.stop);
}

}  // namespace proa::image
