#include "tools/copy/store_refetch.h"

#include <fmt/core.h>

#include <set>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/base/strings.h"
#include "libcommon/store/writer.h"

namespace proa::copy {

namespace {

using Kind = store::Finding::Kind;

class Refetcher {
 public:
  Refetcher(LocalStore& local, const std::vector<store::Finding>& findings, const transport::RegistryOptions& registry)
      : local_(local), registry_(registry) {
    for (const auto& finding : findings) {
      if (finding.kind != Kind::BadBlob && finding.kind != Kind::MissingBlob) continue;
      if (const auto digest = oci::Digest::try_parse(finding.object)) broken_.insert(*digest);
    }
  }

  std::vector<std::string> run() {
    if (broken_.empty()) return {};
    for (const auto& image : images()) {
      if (broken_.empty()) break;
      mend(image);
    }
    return std::move(actions_);
  }

 private:
  std::vector<store::StoredImage> images() const {
    try {
      return local_.store().list();
    } catch (const Error& error) {
      log::warn(error.text());  // an index that cannot be read is for the rest of the repair
      return {};
    }
  }

  void mend(const store::StoredImage& image) {
    // From the manifest down: what it names is only known when it is sound.
    mend_blob(image, image.manifest);
    if (broken_.contains(image.manifest.digest)) return;
    oci::Manifest manifest = local_.store().manifest(image);
    mend_blob(image, manifest.config);
    for (const auto& layer : manifest.layers) mend_blob(image, layer);
  }

  void mend_blob(const store::StoredImage& image, const oci::Descriptor& blob) {
    if (!broken_.contains(blob.digest)) return;
    for (const auto& origin : image.repo_digests) {
      try {
        fetch(oci::Reference::parse_normalized(origin), image, blob);
        broken_.erase(blob.digest);
        actions_.push_back(fmt::format("blob {}: fetched again from {}", blob.digest.str(), origin));
        return;
      } catch (const Error& error) {
        if (error.code() == ErrorCode::NoSpace || error.code() == ErrorCode::Cancelled) throw;
        log::warn(fmt::format("fetching blob {} again: {}", blob.digest.short_id(), error.text()));
      }
    }
  }

  void fetch(const oci::Reference& origin, const store::StoredImage& image, const oci::Descriptor& blob) {
    const auto source =
        transport::open_docker_source(origin.without_tag_and_digest().with_digest(image.manifest.digest), registry_);
    auto transaction = store::Transaction::begin(local_.store(), local_.owners());
    transaction.distrust(blob.digest);
    auto writer = transaction.begin_blob(blob.digest, blob.size);
    if (writer.offset() > 0) writer.restart();
    if (blob.digest == image.manifest.digest) {
      writer.write(io::as_bytes(source->manifest(std::nullopt, {}).bytes));
    } else {
      io::copy(*source->blob(blob, {}), writer);
    }
    writer.commit();
    transaction.commit();
  }

  LocalStore& local_;
  const transport::RegistryOptions& registry_;
  std::set<oci::Digest> broken_;
  std::vector<std::string> actions_;
};

}  // namespace

std::vector<std::string> refetch_blobs(LocalStore& local, const std::vector<store::Finding>& findings,
                                       const transport::RegistryOptions& registry) {
  return Refetcher(local, findings, registry).run();
}

}  // namespace proa::copy
