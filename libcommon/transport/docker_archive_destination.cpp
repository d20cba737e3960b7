#include <fmt/core.h>

#include <map>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/os/file.h"
#include "libcommon/transport/docker_archive.h"

namespace proa::transport {

struct DockerArchive::State {
  std::string path;
  std::unique_ptr<TreeWriter> writer;
  std::vector<ArchiveItem> items;
  std::map<std::string, std::map<std::string, std::string>> repositories;  // name -> tag -> top layer
};

namespace {

std::string file_of(const oci::Digest& digest, BlobUse::Kind kind) {
  return fmt::format("{}.{}", digest.hex(), kind == BlobUse::Kind::Config ? "json" : "tar");
}

class DockerArchiveDestination final : public ImageDestination {
 public:
  using State = DockerArchive::State;

  DockerArchiveDestination(std::shared_ptr<DockerArchive::State> state, std::vector<oci::Reference> tags)
      : state_(std::move(state)), tags_(std::move(tags)) {
    traits_.manifest_types = {std::string(oci::kDockerManifest)};
    traits_.accepts_index = false;
    traits_.layers = LayerCompression::Decompress;
    traits_.concurrent_blobs = 1;  // an archive is written from its beginning to its end
  }

  std::string name() const override { return fmt::format("docker-archive:{}", state_->path); }
  const DestinationTraits& traits() const override { return traits_; }

  bool try_reuse(const oci::Descriptor& blob, const BlobUse& use, const std::optional<oci::Reference>&,
                 std::stop_token) override {
    return state_->writer->has(file_of(use.diff_id ? use.diff_id->digest() : blob.digest, use.kind));
  }

  StoredBlob put_blob(const BlobPlan& plan, io::Source& content, std::stop_token stop) override {
    return state_->writer->put_blob(
        plan, content, [&](const oci::Digest& digest) { return file_of(digest, plan.use.kind); }, stop);
  }

  void put_manifest(const ManifestBytes& manifest, const std::optional<oci::Digest>&, std::stop_token) override {
    const auto parsed = oci::Manifest::parse(manifest.bytes, manifest.media_type);
    ArchiveItem item{.config = file_of(parsed.config.digest, BlobUse::Kind::Config), .repo_tags = {}, .layers = {}};
    for (const auto& tag : tags_) item.repo_tags.push_back(tag.str());
    for (const auto& layer : parsed.layers) item.layers.push_back(file_of(layer.digest, BlobUse::Kind::Layer));
    if (!parsed.layers.empty()) top_layer_ = std::string(parsed.layers.back().digest.hex());
    item_ = std::move(item);
  }

  void commit(std::stop_token) override {
    PROA_CHECK(item_.has_value());
    for (auto& present : state_->items) {
      if (present.config != item_->config || present.layers != item_->layers) continue;
      present.repo_tags.insert(present.repo_tags.end(), item_->repo_tags.begin(), item_->repo_tags.end());
      item_.reset();
      break;
    }
    if (item_) state_->items.push_back(*item_);
    for (const auto& tag : tags_) {
      if (tag.tag() && !top_layer_.empty()) state_->repositories[tag.familiar_name()][*tag.tag()] = top_layer_;
    }
  }

 private:
  std::shared_ptr<DockerArchive::State> state_;
  std::vector<oci::Reference> tags_;
  DestinationTraits traits_;
  std::optional<ArchiveItem> item_;
  std::string top_layer_;
};

// The archive of a single image: its commit is the archive's.
class SingleImage final : public ImageDestination {
 public:
  SingleImage(const std::string& path, std::vector<oci::Reference> tags, std::string name)
      : archive_(path), image_(archive_.add_image(std::move(tags))), name_(std::move(name)) {}

  std::string name() const override { return name_; }
  const DestinationTraits& traits() const override { return image_->traits(); }
  bool try_reuse(const oci::Descriptor& blob, const BlobUse& use, const std::optional<oci::Reference>& from,
                 std::stop_token stop) override {
    return image_->try_reuse(blob, use, from, stop);
  }
  StoredBlob put_blob(const BlobPlan& plan, io::Source& content, std::stop_token stop) override {
    return image_->put_blob(plan, content, stop);
  }
  void put_manifest(const ManifestBytes& manifest, const std::optional<oci::Digest>& instance,
                    std::stop_token stop) override {
    image_->put_manifest(manifest, instance, stop);
  }
  void commit(std::stop_token stop) override {
    image_->commit(stop);
    archive_.commit();
  }

 private:
  DockerArchive archive_;
  std::unique_ptr<ImageDestination> image_;
  std::string name_;
};

}  // namespace

DockerArchive::DockerArchive(const std::string& path) : state_(std::make_shared<State>()) {
  state_->path = path;
  state_->writer = make_tar_writer(path);
}
DockerArchive::DockerArchive(TakeArchive take) : state_(std::make_shared<State>()) {
  state_->path = std::string(1, '-');  // g++ 12 takes an assigned "-" for an overlap
  state_->writer = make_tar_writer(std::move(take));
}
DockerArchive::~DockerArchive() = default;

std::unique_ptr<ImageDestination> DockerArchive::add_image(std::vector<oci::Reference> tags) {
  return std::make_unique<DockerArchiveDestination>(state_, std::move(tags));
}

void DockerArchive::commit() {
  state_->writer->put_text("manifest.json", encode_archive_manifest(state_->items));
  state_->writer->put_text("repositories", encode_nested_map(state_->repositories));
  state_->writer->commit();
}

std::unique_ptr<ImageDestination> open_docker_archive_destination(const ImageName& name, const OpenOptions& options) {
  if (name.index) throw Error(ErrorCode::InvalidArgument, fmt::format("{}: an index cannot be written to", name.str()));
  const auto found = name.path == "-" ? std::nullopt : os::try_stat(name.path, AT_FDCWD, 0);
  if (found && S_ISREG(found->st_mode) && found->st_size > 0) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: docker-archive doesn't support modifying existing images", name.path),
                "choose a new file");
  }
  std::vector<oci::Reference> tags = options.additional_tags;
  if (name.reference) tags.insert(tags.begin(), *name.reference);
  return std::make_unique<SingleImage>(name.path, std::move(tags), name.str());
}

}  // namespace proa::transport
