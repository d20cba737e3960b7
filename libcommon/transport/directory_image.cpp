#include "libcommon/transport/directory_image.h"

#include <fmt/core.h>
#include <unistd.h>

#include <mutex>
#include <set>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/dir.h"
#include "libcommon/transport/file_tree.h"
#include "libcommon/transport/signature_list.h"
#include "libcommon/transport/tree_writer.h"

namespace proa::transport {

namespace {

constexpr std::string_view kVersionFile = "Directory Transport Version: 1.1\n";

std::string blob_file(const oci::Digest& digest) {
  // Version 1.1 knows sha256 only; other algorithms keep their name so that files cannot clash.
  if (digest.algorithm() == oci::DigestAlgorithm::Sha256) return std::string(digest.hex());
  return fmt::format("{}-{}", digest.algorithm_name(), digest.hex());
}
// "signature-1" or "HEX.signature-1"
std::string signature_file(const std::optional<oci::Digest>& instance, std::size_t number) {
  const auto file = fmt::format("signature-{}", number);
  return instance ? fmt::format("{}.{}", blob_file(*instance), file) : file;
}
std::string manifest_file(const std::optional<oci::Digest>& instance) {
  return instance ? blob_file(*instance) + ".manifest.json" : "manifest.json";
}

class DirectorySource final : public ImageSource {
 public:
  explicit DirectorySource(const ImageName& name)
      : name_(name.str()), scope_(config::path_scope("dir", name.path)), tree_(open_directory_tree(name.path)) {}

  std::string name() const override { return name_; }
  config::PolicyScope policy_scope() const override { return scope_; }

  std::vector<trust::Signature> signatures(const oci::Digest&, const std::optional<oci::Digest>& instance,
                                           std::stop_token) const override {
    SignatureList list(name_);
    for (std::size_t number = 1; tree_->has(signature_file(instance, number)); ++number)
      list.add(trust::Signature::parse(tree_->read(signature_file(instance, number), kMaxStoredSignature)));
    return std::move(list).take();
  }

 protected:
  ManifestBytes read_manifest(const std::optional<oci::Digest>& instance, std::stop_token) const override {
    return {tree_->read(manifest_file(instance), oci::kMaxManifestSize), ""};
  }
  std::unique_ptr<io::Source> open_blob(const oci::Descriptor& blob, std::stop_token) const override {
    return tree_->open(blob_file(blob.digest));
  }

 private:
  std::string name_;
  config::PolicyScope scope_;
  std::unique_ptr<FileTree> tree_;
};

class DirectoryDestination final : public ImageDestination {
 public:
  DirectoryDestination(const ImageName& name, const OpenOptions& options)
      : name_(name), old_files_(present_files(name.path)) {
    writer_ = make_directory_writer(name.path);
    traits_.signatures = SignatureStorage::Kept;
    if (options.dir_compress) traits_.layers = LayerCompression::Compress;
    if (options.dir_decompress) traits_.layers = LayerCompression::Decompress;
  }

  std::string name() const override { return name_.str(); }
  const DestinationTraits& traits() const override { return traits_; }

  bool try_reuse(const oci::Descriptor&, const BlobUse&, const std::optional<oci::Reference>&,
                 std::stop_token) override {
    return false;
  }

  StoredBlob put_blob(const BlobPlan& plan, io::Source& content, std::stop_token stop) override {
    return writer_->put_blob(
        plan, content, [this](const oci::Digest& digest) { return keep(blob_file(digest)); }, stop);
  }
  void put_manifest(const ManifestBytes& manifest, const std::optional<oci::Digest>& instance,
                    std::stop_token) override {
    writer_->put_text(keep(manifest_file(instance)), manifest.bytes);
  }
  void put_index(const ManifestBytes& index, std::stop_token) override {
    writer_->put_text(keep(manifest_file(std::nullopt)), index.bytes);
  }
  void put_signatures(const std::vector<trust::Signature>& signatures, const oci::Digest&,
                      const std::optional<oci::Digest>& instance, std::stop_token) override {
    std::size_t number = 0;
    for (const auto& signature : signatures)
      writer_->put_text(keep(signature_file(instance, ++number)), signature.stored());
  }

  void commit(std::stop_token) override {
    writer_->put_text(keep("version"), kVersionFile);
    writer_->commit();
    // The directory holds one image: what an earlier one left goes, after the new one is complete.
    const auto dir = os::Dir::open(name_.path);
    for (const auto& file : old_files_) {
      if (!kept_.contains(file)) os::remove_tree(file, dir.fd());
    }
  }

 private:
  // Refuses a directory that has something else in it. Returns the files of an image that will be replaced.
  static std::vector<std::string> present_files(const std::string& path) {
    if (!os::exists(path)) return {};
    auto files = os::list_dir(path);
    std::erase_if(files, [](const std::string& file) { return file.starts_with(".proa-"); });
    if (files.empty()) return {};
    const auto dir = os::Dir::open(path);
    const auto version = os::try_read_file("version", 4096, dir.fd());
    if (!version || !version->starts_with("Directory Transport Version: ")) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("{} is not an image directory, its contents will not be overwritten", path),
                  "choose a new or empty directory");
    }
    return files;
  }

  std::string keep(std::string file) {
    const std::lock_guard guard(mutex_);
    kept_.insert(file);
    return file;
  }

  ImageName name_;
  std::vector<std::string> old_files_;
  std::unique_ptr<TreeWriter> writer_;
  DestinationTraits traits_;
  std::mutex mutex_;
  std::set<std::string> kept_;
};

}  // namespace

std::unique_ptr<ImageSource> open_directory_source(const ImageName& name) {
  return std::make_unique<DirectorySource>(name);
}

std::unique_ptr<ImageDestination> open_directory_destination(const ImageName& name, const OpenOptions& options) {
  return std::make_unique<DirectoryDestination>(name, options);
}

}  // namespace proa::transport
