// The signatures of one copy: asked for on the way in, carried over, made anew.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcommon/image/copy.h"
#include "libcommon/trust/evaluate.h"

namespace proa::image {

inline constexpr const char* kRemoveSignatures = "--remove-signatures copies it without its signatures";

class Signing {
 public:
  // Refuses what cannot work before a byte moves: signing for a place that holds no signatures, or without a name.
  Signing(const transport::ImageSource& source, transport::ImageDestination& destination, const CopyOptions& options,
          const CopyContext& context);

  // PermissionDenied: what policy.json says.
  void require_allowed(const transport::ManifestBytes& manifest, const std::optional<oci::Digest>& instance);
  // Those of the source that go with the copy; Unsupported when the destination cannot hold any.
  std::vector<trust::Signature> carried(const transport::ManifestBytes& manifest,
                                        const std::optional<oci::Digest>& instance);
  // After put_manifest() or put_index(): stores `carried` and new ones.
  void put(std::vector<trust::Signature> carried, const oci::Digest& digest,
           const std::optional<oci::Digest>& instance);

 private:
  const std::vector<trust::Signature>& read(const oci::Digest& manifest, const std::optional<oci::Digest>& instance);

  const transport::ImageSource& source_;
  transport::ImageDestination& destination_;
  const CopyOptions& options_;
  const CopyContext& context_;
  trust::Evaluator evaluator_;
  std::optional<oci::Reference> identity_;
  // Of the manifest that was asked about last: policy and copy see the same ones, and they are fetched once.
  std::optional<oci::Digest> read_for_;
  std::vector<trust::Signature> read_;
};

}  // namespace proa::image
