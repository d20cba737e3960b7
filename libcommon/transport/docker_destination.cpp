#include <fmt/format.h>

#include "libcommon/oci/media_types.h"
#include "libcommon/transport/docker_repository.h"

namespace proa::transport {
namespace {

class DockerDestination final : public ImageDestination {
 public:
  DockerDestination(const oci::Reference& reference, const RegistryOptions& options)
      : reference_(reference), repository_(open_repository(reference, registry::Access::Push, options)) {
    for (const auto type : {oci::kOciManifest, oci::kDockerManifest, oci::kOciIndex, oci::kDockerManifestList}) {
      traits_.manifest_types.emplace_back(type);
    }
    traits_.layers = LayerCompression::Compress;
  }

  std::string name() const override { return "docker://" + reference_.str(); }
  std::optional<oci::Reference> docker_reference() const override { return reference_; }
  const DestinationTraits& traits() const override { return traits_; }

  bool try_reuse(const oci::Descriptor& blob, const BlobUse&, const std::optional<oci::Reference>& from,
                 std::stop_token stop) override {
    if (repository_.has_blob(blob.digest, stop)) return true;
    const bool other_repository = from && from->domain() == reference_.domain() && from->path() != reference_.path();
    return other_repository && repository_.mount_blob(blob.digest, from->path(), stop);
  }

  StoredBlob put_blob(const BlobPlan& plan, io::Source& content, std::stop_token stop) override {
    const auto stored =
        repository_.put_blob(content, {.digest = plan.digest, .size = plan.size, .reopen = plan.reopen}, stop);
    return {.digest = stored.digest, .size = stored.size};
  }

  void put_manifest(const ManifestBytes& manifest, const std::optional<oci::Digest>& instance,
                    std::stop_token stop) override {
    if (instance) {
      repository_.put_manifest(instance->str(), manifest.bytes, type_of(manifest), stop);
    } else {
      top_ = manifest;  // its name makes the image visible: commit() does that
    }
  }

  void put_index(const ManifestBytes& index, std::stop_token) override { top_ = index; }

  void commit(std::stop_token stop) override {
    if (!top_) throw Error(ErrorCode::Internal, fmt::format("{}: nothing to commit", name()));
    repository_.put_manifest(version_of(reference_), top_->bytes, type_of(*top_), stop);
  }

 private:
  // A registry goes by the Content-Type; manifests of places that declare none have it in their own mediaType.
  static std::string type_of(const ManifestBytes& manifest) {
    if (!manifest.media_type.empty()) return manifest.media_type;
    try {
      return oci::Manifest::parse(manifest.bytes).media_type;
    } catch (const Error&) {
      return oci::Index::parse(manifest.bytes).media_type;
    }
  }

  oci::Reference reference_;
  registry::Repository repository_;
  DestinationTraits traits_;
  std::optional<ManifestBytes> top_;
};

}  // namespace

std::unique_ptr<ImageDestination> open_docker_destination(const oci::Reference& reference,
                                                          const RegistryOptions& options) {
  return std::make_unique<DockerDestination>(reference, options);
}

}  // namespace proa::transport
