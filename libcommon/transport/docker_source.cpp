#include <fmt/core.h>

#include <mutex>

#include "libcommon/base/log.h"
#include "libcommon/registry/blob_places.h"
#include "libcommon/transport/docker_repository.h"
#include "libcommon/transport/docker_signatures.h"

namespace proa::transport {
namespace {

// What the user gives on the command line is meant for the registry that is named there.
RegistryOptions for_mirrors(RegistryOptions options) {
  options.username.reset();
  options.password.reset();
  options.registry_token.reset();
  return options;
}

class DockerSource final : public ImageSource {
 public:
  DockerSource(const oci::Reference& reference, const RegistryOptions& options)
      : reference_(reference), options_(options), endpoints_(config::Registries::load().endpoints(reference)) {}

  std::string name() const override { return "docker://" + reference_.str(); }
  std::optional<oci::Reference> docker_reference() const override { return reference_; }
  config::PolicyScope policy_scope() const override { return config::docker_scope(reference_); }

  std::vector<trust::Signature> signatures(const oci::Digest& manifest, const std::optional<oci::Digest>&,
                                           std::stop_token stop) const override {
    return read_docker_signatures(repository(stop), reference_, options_, manifest, stop);
  }

 protected:
  ManifestBytes read_manifest(const std::optional<oci::Digest>& instance, std::stop_token stop) const override {
    const std::lock_guard lock(mutex_);
    if (!instance && top_) return *top_;  // a tag that is moved meanwhile must not mix two images
    const std::string version = instance ? instance->str() : version_of(reference_);
    registry::RemoteManifest found = repository_ ? repository_->manifest(version, stop) : first_that_has(version, stop);
    ManifestBytes result{.bytes = std::move(found.raw), .media_type = std::move(found.media_type)};
    if (!instance) top_ = result;
    return result;
  }

  std::unique_ptr<io::Source> open_blob(const oci::Descriptor& blob, std::stop_token stop) const override {
    return open_blob_rest(blob, 0, std::move(stop));
  }

  std::unique_ptr<io::Source> open_blob_rest(const oci::Descriptor& blob, std::uint64_t offset,
                                             std::stop_token stop) const override {
    const auto& from = repository(stop);
    auto source = from.unverified_blob(blob, std::move(stop), offset);
    if (options_.places) options_.places->remember(from.host(), blob.digest, from.path());
    return source;
  }

 private:
  const registry::Repository& repository(const std::stop_token& stop) const {
    const std::lock_guard lock(mutex_);
    if (!repository_) first_that_has(version_of(reference_), stop);
    return *repository_;
  }

  // Mirrors come first; one that fails, for whatever reason, is passed over. All later reading is done where the
  // manifest was found.
  registry::RemoteManifest first_that_has(const std::string& version, const std::stop_token& stop) const {
    for (const auto& endpoint : endpoints_) {
      auto candidate =
          open_repository(endpoint, registry::Access::Pull, endpoint.mirror ? for_mirrors(options_) : options_);
      try {
        auto manifest = candidate.manifest(version, stop);
        repository_ = std::move(candidate);
        return manifest;
      } catch (const Error& error) {
        if (!endpoint.mirror || error.code() == ErrorCode::Cancelled) throw;
        log::note(fmt::format("mirror {}/{} is passed over: {}", endpoint.host, endpoint.repository, error.message()));
      }
    }
    throw Error(ErrorCode::NotFound, fmt::format("{}: no registry to read it from", name()));
  }

  oci::Reference reference_;
  RegistryOptions options_;
  std::vector<config::Endpoint> endpoints_;
  mutable std::mutex mutex_;
  mutable std::optional<registry::Repository> repository_;  // settled by the first manifest
  mutable std::optional<ManifestBytes> top_;
};

}  // namespace

std::unique_ptr<ImageSource> open_docker_source(const oci::Reference& reference, const RegistryOptions& options) {
  return std::make_unique<DockerSource>(reference, options);
}

}  // namespace proa::transport
