#include <fmt/core.h>

#include <mutex>
#include <set>

#include "libcommon/oci/media_types.h"
#include "libcommon/registry/blob_places.h"
#include "libcommon/transport/docker_repository.h"
#include "libcommon/transport/docker_signatures.h"

namespace proa::transport {
namespace {

class DockerDestination final : public ImageDestination {
 public:
  DockerDestination(const oci::Reference& reference, const RegistryOptions& options)
      : reference_(reference),
        options_(options),
        repository_(open_repository(reference, registry::Access::Push, options)),
        places_(options.places) {
    for (const auto type : {oci::kOciManifest, oci::kDockerManifest, oci::kOciIndex, oci::kDockerManifestList}) {
      traits_.manifest_types.emplace_back(type);
    }
    traits_.layers = LayerCompression::Compress;
    traits_.signatures = SignatureStorage::Kept;
  }

  std::string name() const override { return "docker://" + reference_.str(); }
  std::optional<oci::Reference> docker_reference() const override { return reference_; }
  const DestinationTraits& traits() const override { return traits_; }

  bool try_reuse(const oci::Descriptor& blob, const BlobUse&, const std::optional<oci::Reference>& from,
                 std::stop_token stop) override {
    if (is_known(blob.digest)) return true;
    if (!repository_.has_blob(blob.digest, stop) && !mount(blob.digest, from, stop)) return false;
    note(blob.digest);
    return true;
  }

  StoredBlob put_blob(const BlobPlan& plan, io::Source& content, std::stop_token stop) override {
    const auto stored =
        repository_.put_blob(content, {.digest = plan.digest, .size = plan.size, .reopen = plan.reopen}, stop);
    note(stored.digest);
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

  // They come before the name that they vouch for is there.
  void put_signatures(const std::vector<trust::Signature>& signatures, const oci::Digest& manifest,
                      const std::optional<oci::Digest>&, std::stop_token stop) override {
    write_docker_signatures(repository_, reference_, options_, manifest, signatures, stop);
  }

  void commit(std::stop_token stop) override {
    if (!top_) throw Error(ErrorCode::Internal, fmt::format("{}: nothing to commit", name()));
    repository_.put_manifest(version_of(reference_), top_->bytes, type_of(*top_), stop);
  }

 private:
  // Images of one index share layers: what was found or sent once is not asked for again.
  bool is_known(const oci::Digest& blob) {
    const std::lock_guard lock(mutex_);
    return known_.contains(blob);
  }

  void note(const oci::Digest& blob) {
    const std::lock_guard lock(mutex_);
    known_.insert(blob);
    if (places_) places_->remember(repository_.host(), blob, repository_.path());
  }

  // From where it is being copied, else from where it was seen.
  bool mount(const oci::Digest& blob, const std::optional<oci::Reference>& from, const std::stop_token& stop) {
    constexpr std::size_t kMaxTries = 3;
    std::vector<std::string> places;
    if (places_) places = places_->find(repository_.host(), blob, repository_.path());
    if (from && from->domain() == reference_.domain() && from->path() != repository_.path()) {
      std::erase(places, from->path());
      places.insert(places.begin(), from->path());
    }
    if (places.size() > kMaxTries) places.resize(kMaxTries);
    for (const auto& place : places) {
      if (repository_.mount_blob(blob, place, stop)) return true;
      if (places_) places_->forget(repository_.host(), blob, place);
    }
    return false;
  }

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
  RegistryOptions options_;
  registry::Repository repository_;
  std::shared_ptr<registry::BlobPlaces> places_;
  DestinationTraits traits_;
  std::mutex mutex_;
  std::set<oci::Digest> known_;
  std::optional<ManifestBytes> top_;
};

}  // namespace

std::unique_ptr<ImageDestination> open_docker_destination(const oci::Reference& reference,
                                                          const RegistryOptions& options) {
  return std::make_unique<DockerDestination>(reference, options);
}

}  // namespace proa::transport
