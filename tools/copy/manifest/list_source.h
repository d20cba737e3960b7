// A list of images as a source: the index from the store, its images from wherever they are.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "libcommon/store/lists.h"
#include "libcommon/transport/open.h"
#include "libcommon/transport/transport.h"

namespace proa::copy {

class ListSource final : public transport::ImageSource {
 public:
  ListSource(store::ImageList list, transport::OpenOptions options)
      : list_(std::move(list)), options_(std::move(options)) {}

  std::string name() const override { return list_.name.familiar(); }
  // The list itself is ours. Its images are asked about one by one, each as what it is where it is.
  config::PolicyScope policy_scope() const override {
    return {.transport = "containers-storage", .identity = {}, .namespaces = {}};
  }
  std::vector<trust::Signature> signatures(const oci::Digest& manifest, const std::optional<oci::Digest>& instance,
                                           std::stop_token stop) const override;

 protected:
  transport::ManifestBytes read_manifest(const std::optional<oci::Digest>& instance,
                                         std::stop_token stop) const override;
  std::unique_ptr<io::Source> open_blob(const oci::Descriptor& blob, std::stop_token stop) const override;

 private:
  const transport::ImageSource& source_of(const oci::Digest& instance) const;  // with the lock
  void require_allowed(const std::string& where, const transport::ImageSource& source,
                       const transport::ManifestBytes& manifest, const std::stop_token& stop) const;

  store::ImageList list_;
  transport::OpenOptions options_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::unique_ptr<transport::ImageSource>> opened_;  // by where they are
  mutable std::map<oci::Digest, const transport::ImageSource*> places_;  // of the blobs of manifests that were read
};

}  // namespace proa::copy
