#include <fmt/core.h>
#include <sys/file.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/os/file.h"
#include "libcommon/transport/layout.h"
#include "libcommon/transport/tree_writer.h"

namespace proa::transport {

namespace {

constexpr std::string_view kLayoutFile = "{\"imageLayoutVersion\":\"1.0.0\"}";

// The entry joins the others; a name moves to it, and one unnamed entry of the same content is enough.
void add_entry(oci::Index& index, oci::Descriptor entry) {
  const auto name = entry.annotations.find(kRefName);
  for (auto& other : index.manifests) {
    const auto other_name = other.annotations.find(kRefName);
    if (name != entry.annotations.end() && other_name != other.annotations.end() &&
        other_name->second == name->second) {
      other.annotations.erase(other_name);
    }
  }
  std::erase_if(index.manifests, [&](const oci::Descriptor& other) {
    return other.digest == entry.digest &&
           (!other.annotations.contains(kRefName) || other.annotations == entry.annotations);
  });
  index.manifests.push_back(std::move(entry));
}

class LayoutDestination final : public ImageDestination {
 public:
  LayoutDestination(const ImageName& name, const OpenOptions& options)
      : name_(name),
        writer_(name.kind == Kind::OciArchive ? make_tar_writer(name.path) : make_directory_writer(name.path)),
        shared_(options.shared_blob_dir && name.kind == Kind::OciLayout
                    ? make_directory_writer(*options.shared_blob_dir)
                    : nullptr) {
    if (name.index)
      throw Error(ErrorCode::InvalidArgument, fmt::format("{}: an index cannot be written to", name.str()));
    traits_.manifest_types = {std::string(oci::kOciManifest), std::string(oci::kOciIndex)};
    traits_.layers = options.accept_uncompressed ? LayerCompression::Keep : LayerCompression::Compress;
  }

  std::string name() const override { return name_.str(); }
  const DestinationTraits& traits() const override { return traits_; }

  bool try_reuse(const oci::Descriptor& blob, const BlobUse&, const std::optional<oci::Reference>&,
                 std::stop_token stop) override {
    if (name_.kind == Kind::OciArchive) return writer_->has(layout_blob_path(blob.digest));
    if (shared_) return shared_->has(path_of(blob.digest));
    return present_and_right(blob, stop);
  }

  StoredBlob put_blob(const BlobPlan& plan, io::Source& content, std::stop_token stop) override {
    TreeWriter& writer = shared_ ? *shared_ : *writer_;
    return writer.put_blob(
        plan, content, [this](const oci::Digest& digest) { return path_of(digest); }, stop);
  }

  void put_manifest(const ManifestBytes& manifest, const std::optional<oci::Digest>& instance,
                    std::stop_token stop) override {
    put_document(manifest, stop);
    if (!instance) remember(manifest);
  }
  void put_index(const ManifestBytes& index, std::stop_token stop) override {
    put_document(index, stop);
    remember(index);
  }

  void commit(std::stop_token) override {
    PROA_CHECK(image_.has_value());
    if (shared_) shared_->commit();
    os::UniqueFd lock;
    if (name_.kind == Kind::OciLayout) {  // two writers of one layout must not lose each other's entry
      lock = os::open(name_.path, O_RDONLY | O_DIRECTORY);
      if (::flock(lock.get(), LOCK_EX) != 0) throw system_error(fmt::format("lock {}", name_.path));
    }
    auto index = present_index();
    add_entry(index, *image_);
    writer_->put_text("oci-layout", kLayoutFile);
    writer_->put_text("index.json", oci::Index::encode(std::move(index)).raw);
    writer_->commit();
  }

 private:
  std::string path_of(const oci::Digest& digest) const {
    if (shared_) return fmt::format("{}/{}", digest.algorithm_name(), digest.hex());
    return layout_blob_path(digest);
  }

  // A file in the layout may be cut or changed: reuse reads it. That is still far cheaper than getting it again.
  bool present_and_right(const oci::Descriptor& blob, std::stop_token stop) const {
    const auto tree = open_directory_tree(name_.path);
    const std::string path = layout_blob_path(blob.digest);
    if (tree->size(path) != blob.size) return false;
    io::NullSink sink;
    const auto content = tree->open(path);
    try {
      store_content({.media_type = {}, .digest = blob.digest, .size = blob.size, .use = {}, .reopen = {}}, *content,
                    sink, stop);
      return true;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::Corrupt) throw;
      log::warn(fmt::format("{}: {} is damaged and will be replaced", name_.str(), path));
      return false;
    }
  }

  void put_document(const ManifestBytes& document, std::stop_token stop) {
    io::MemorySource content(document.bytes);
    const BlobPlan plan{.media_type = document.media_type,
                        .digest = document.digest(),
                        .size = document.bytes.size(),
                        .use = {},
                        .reopen = {}};
    put_blob(plan, content, stop);
  }

  void remember(const ManifestBytes& document) {
    oci::Descriptor entry{.media_type = document.media_type,
                          .digest = document.digest(),
                          .size = document.bytes.size(),
                          .urls = {},
                          .annotations = {},
                          .platform = {},
                          .artifact_type = {}};
    if (!name_.image.empty()) entry.annotations[kRefName] = name_.image;
    image_ = std::move(entry);
  }

  oci::Index present_index() const {
    oci::Index index;
    index.media_type = std::string(oci::kOciIndex);
    if (name_.kind != Kind::OciLayout) return index;
    const auto tree = open_directory_tree(name_.path);
    return tree->has("index.json") ? read_layout_index(*tree) : index;
  }

  ImageName name_;
  std::unique_ptr<TreeWriter> writer_, shared_;
  DestinationTraits traits_;
  std::optional<oci::Descriptor> image_;
};

}  // namespace

std::unique_ptr<ImageDestination> open_layout_destination(const ImageName& name, const OpenOptions& options) {
  return std::make_unique<LayoutDestination>(name, options);
}

}  // namespace proa::transport
