#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/store/store.h"
#include "libcommon/store/writer.h"
#include "libcommon/transport/storage.h"

namespace proa::transport {

namespace {

class StorageSource final : public ImageSource {
 public:
  StorageSource(std::string name, const store::Store& store, store::StoredImage image)
      : name_(std::move(name)), store_(store), image_(std::move(image)) {}

  std::string name() const override { return name_; }
  config::PolicyScope policy_scope() const override {
    return {.transport = "containers-storage", .identity = {}, .namespaces = {}};
  }

 protected:
  ManifestBytes read_manifest(const std::optional<oci::Digest>& instance, std::stop_token) const override {
    if (instance) throw Error(ErrorCode::NotFound, fmt::format("{} has no instance {}", name_, instance->str()));
    return {store::read_verified_blob(store_, image_.manifest.digest, oci::kMaxManifestSize),
            image_.manifest.media_type};
  }
  std::unique_ptr<io::Source> open_blob(const oci::Descriptor& blob, std::stop_token) const override {
    return store::open_blob(store_, blob.digest);
  }

 private:
  std::string name_;
  const store::Store& store_;
  store::StoredImage image_;
};

}  // namespace

std::unique_ptr<ImageSource> open_storage_source(const ImageName& name, const store::Store& store) {
  return std::make_unique<StorageSource>(name.str(), store,
                                         store.get(name.reference ? name.reference->str() : name.id));
}

}  // namespace proa::transport
