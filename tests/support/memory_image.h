// Images in memory for tests of transports and of the copy engine: made from layers, read with faults, and a
// destination that records.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "libcommon/io/compression.h"
#include "libcommon/oci/image.h"
#include "libcommon/transport/transport.h"

namespace proa::testing {

// A plain tar of regular files {name, content}.
std::string tar_of(const std::vector<std::pair<std::string, std::string>>& files);
std::string compressed(const std::string& plain, io::Compression compression);

struct ImageSpec {
  std::vector<std::string> layers;  // plain tars
  io::Compression compression = io::Compression::Gzip;
  bool docker = false;
  std::string architecture = "amd64";
};
// Layers of two files each, as different as `seed`.
ImageSpec image_spec(const std::string& seed, int layers = 2);

// Everything an image consists of, by digest. The top is a manifest or, after add_index, an index.
class MemoryImage final : public transport::ImageSource {
 public:
  MemoryImage() = default;
  explicit MemoryImage(const ImageSpec& spec) { top_ = add(spec); }

  transport::ManifestBytes add(const ImageSpec& spec);
  oci::Descriptor add_blob(std::string bytes, std::string_view type);
  void set_top(transport::ManifestBytes top) { top_ = std::move(top); }
  // An index of these, which becomes the top.
  void make_index(const std::vector<ImageSpec>& specs, bool docker = false);

  const transport::ManifestBytes& top() const { return top_; }
  oci::Manifest manifest() const { return oci::Manifest::parse(top_.bytes, top_.media_type); }
  oci::ImageConfig config() const;
  const std::string& bytes_of(const oci::Digest& digest) const { return blobs_.at(digest); }

  // Faults: what is read instead of the bytes.
  void replace(const oci::Digest& digest, std::string bytes) { served_[digest] = std::move(bytes); }
  std::optional<oci::Reference> reference;
  mutable std::atomic<int> opened{0};
  std::optional<std::size_t> cut_after;              // blobs that are longer: the connection breaks there
  mutable std::atomic<std::uint64_t> rests_from{0};  // the sum of the offsets that rests were asked from
  std::map<oci::Digest, std::vector<trust::Signature>> signatures_of;
  std::optional<transport::ManifestBytes> after_first_manifest;  // what the top is from the second time on

  std::vector<trust::Signature> signatures(const oci::Digest& manifest, const std::optional<oci::Digest>&,
                                           std::stop_token) const override {
    const auto found = signatures_of.find(manifest);
    return found == signatures_of.end() ? std::vector<trust::Signature>() : found->second;
  }

  std::string name() const override { return "memory:image"; }
  std::optional<oci::Reference> docker_reference() const override { return reference; }
  config::PolicyScope policy_scope() const override {
    return {.transport = "memory", .identity = {}, .namespaces = {}};
  }

 protected:
  transport::ManifestBytes read_manifest(const std::optional<oci::Digest>& instance, std::stop_token) const override;
  std::unique_ptr<io::Source> open_blob(const oci::Descriptor& blob, std::stop_token) const override;
  std::unique_ptr<io::Source> open_blob_rest(const oci::Descriptor& blob, std::uint64_t offset,
                                             std::stop_token stop) const override;

 private:
  transport::ManifestBytes top_;
  std::map<oci::Digest, std::string> blobs_, served_;
  mutable std::atomic<int> tops_read_{0};
};

// What arrived at a MemoryDestination.
struct Arrived {
  std::map<oci::Digest, std::string> blobs;
  std::map<oci::Digest, transport::ManifestBytes> instances;
  std::optional<transport::ManifestBytes> top;
  std::map<oci::Digest, std::vector<trust::Signature>> signatures_put;
  bool committed = false;
};

class MemoryDestination final : public transport::ImageDestination, public Arrived {
 public:
  transport::DestinationTraits wanted;

  std::string name() const override { return "memory:copy"; }
  const transport::DestinationTraits& traits() const override { return wanted; }
  bool try_reuse(const oci::Descriptor& blob, const transport::BlobUse&, const std::optional<oci::Reference>&,
                 std::stop_token) override;
  transport::StoredBlob put_blob(const transport::BlobPlan& plan, io::Source& content, std::stop_token stop) override;
  void put_manifest(const transport::ManifestBytes& manifest, const std::optional<oci::Digest>& instance,
                    std::stop_token) override;
  void put_index(const transport::ManifestBytes& index, std::stop_token) override { top = index; }
  void put_signatures(const std::vector<trust::Signature>& signatures, const oci::Digest& manifest,
                      const std::optional<oci::Digest>&, std::stop_token) override {
    signatures_put[manifest] = signatures;
  }
  void commit(std::stop_token) override { committed = true; }

 private:
  std::mutex mutex_;
};

}  // namespace proa::testing
