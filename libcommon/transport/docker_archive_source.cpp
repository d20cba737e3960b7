#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/transport/docker_archive.h"

namespace proa::transport {

namespace {

// The file names of all known writers hold the digest: "HEX.json", "blobs/sha256/HEX".
std::optional<oci::Digest> digest_in_name(std::string_view file) {
  if (const auto slash = file.rfind('/'); slash != std::string_view::npos) file.remove_prefix(slash + 1);
  if (file.ends_with(".json")) file.remove_suffix(5);
  return oci::Digest::try_parse(fmt::format("sha256:{}", file));
}

class DockerArchiveSource final : public ImageSource {
 public:
  DockerArchiveSource(std::shared_ptr<const FileTree> tree, const ArchiveItem& item, std::string name,
                      std::string transport)
      : tree_(std::move(tree)), name_(std::move(name)), transport_(std::move(transport)) {
    While reading{[&] { return fmt::format("reading {}", escape_control(name_)); }};
    config_ = tree_->read(item.config, oci::kMaxConfigSize);
    const auto config_digest = io::digest_of(config_);
    if (const auto named = digest_in_name(item.config); named && *named != config_digest) {
      throw Error(ErrorCode::Corrupt,
                  fmt::format("config {} has digest {}", escape_control(item.config), config_digest.str()));
    }
    const auto config = oci::ImageConfig::parse(config_);
    if (config.diff_ids.size() != item.layers.size()) {
      throw Error(ErrorCode::Corrupt,
                  fmt::format("{} layers but {} diff ids", item.layers.size(), config.diff_ids.size()));
    }
    oci::Manifest manifest{.media_type = std::string(oci::kDockerManifest),
                           .config = descriptor(oci::kDockerConfig, config_digest, config_.size()),
                           .layers = {},
                           .annotations = {},
                           .artifact_type = {},
                           .subject = {},
                           .raw = {}};
    for (std::size_t i = 0; i < item.layers.size(); ++i) {
      const auto& digest = config.diff_ids[i].digest();
      manifest.layers.push_back(descriptor(oci::kDockerLayer, digest, plain_size(item.layers[i])));
      files_[digest.str()] = item.layers[i];
    }
    manifest_ = oci::Manifest::encode(std::move(manifest));
  }

  std::string name() const override { return name_; }
  bool manifest_is_original() const override { return false; }

  // As containers-policy.json(5) has it: no scopes, the file may hold anything.
  config::PolicyScope policy_scope() const override {
    return {.transport = transport_, .identity = {}, .namespaces = {}};
  }

 protected:
  ManifestBytes read_manifest(const std::optional<oci::Digest>& instance, std::stop_token) const override {
    if (instance) throw Error(ErrorCode::NotFound, fmt::format("{} has no instance {}", name_, instance->str()));
    return {manifest_.raw, manifest_.media_type};
  }

  std::unique_ptr<io::Source> open_blob(const oci::Descriptor& blob, std::stop_token) const override {
    if (blob.digest == manifest_.config.digest) return std::make_unique<io::MemorySource>(config_);
    const auto found = files_.find(blob.digest.str());
    if (found == files_.end())
      throw Error(ErrorCode::NotFound, fmt::format("{} has no layer {}", name_, blob.digest.str()));
    return io::decompress_any(tree_->open(found->second));
  }

 private:
  static oci::Descriptor descriptor(std::string_view type, const oci::Digest& digest, std::uint64_t size) {
    return {.media_type = std::string(type),
            .digest = digest,
            .size = size,
            .urls = {},
            .annotations = {},
            .platform = {},
            .artifact_type = {}};
  }

  // Some writers compress the layers; the manifest speaks of the plain ones, whose size only reading tells.
  std::uint64_t plain_size(const std::string& file) const {
    const auto stored = tree_->size(file);
    if (!stored) throw Error(ErrorCode::NotFound, fmt::format("layer {} is missing", escape_control(file)));
    std::byte head[4];
    const auto got = io::read_full(*tree_->open(file), head);
    if (io::detect_compression(io::Bytes(head, got)) == io::Compression::None) return *stored;
    io::NullSink sink;
    return io::copy(*io::decompress_any(tree_->open(file)), sink);
  }

  std::shared_ptr<const FileTree> tree_;
  std::string name_, transport_;
  std::string config_;
  oci::Manifest manifest_{.media_type = {},
                          .config = descriptor("", io::digest_of(""), 0),
                          .layers = {},
                          .annotations = {},
                          .artifact_type = {},
                          .subject = {},
                          .raw = {}};
  StringMap<std::string> files_;  // by digest
};

bool has_tag(const ArchiveItem& item, const oci::Reference& wanted) {
  for (const auto& tag : item.repo_tags) {
    try {
      if (oci::Reference::parse_normalized(tag) == wanted) return true;
    } catch (const Error&) {
      // A tag that is no reference cannot be what was asked for.
    }
  }
  return false;
}

const ArchiveItem& choose(const std::vector<ArchiveItem>& items, const ImageName& name) {
  if (name.index) {
    if (*name.index < items.size()) return items[*name.index];
    throw Error(ErrorCode::NotFound,
                fmt::format("Invalid source index @{}, only {} manifest items available", *name.index, items.size()));
  }
  std::vector<std::string> tags;
  for (const auto& item : items) {
    for (const auto& tag : item.repo_tags) tags.push_back(escape_control(tag));
  }
  const std::string hint =
      tags.empty() ? std::string("it has no tags: choose by :@0, :@1, ...") : "it has " + join(tags, ", ");
  if (!name.reference) {
    if (items.size() == 1) return items.front();
    if (items.empty()) throw Error(ErrorCode::NotFound, fmt::format("{} holds no image", name.path));
    throw Error(ErrorCode::InvalidArgument, fmt::format("{} images in {}, choose one", items.size(), name.path), hint);
  }
  for (const auto& item : items) {
    if (has_tag(item, *name.reference)) return item;
  }
  throw Error(ErrorCode::NotFound, fmt::format("Tag \"{}\" not found in {}", name.reference->str(), name.path), hint);
}

}  // namespace

std::vector<ArchiveItem> read_archive_items(const FileTree& tree) {
  While reading{[&] { return fmt::format("reading the docker archive {}", tree.name()); }};
  return parse_archive_manifest(tree.read("manifest.json", oci::kMaxManifestSize));
}

std::unique_ptr<ImageSource> open_docker_archive_source(const ImageName& name) {
  std::shared_ptr<const FileTree> tree = open_tar_tree(name.path);
  const auto items = read_archive_items(*tree);
  return make_docker_archive_source(tree, choose(items, name), name.str());
}

std::unique_ptr<ImageSource> make_docker_archive_source(std::shared_ptr<const FileTree> tree, const ArchiveItem& item,
                                                        std::string name, std::string transport) {
  return std::make_unique<DockerArchiveSource>(std::move(tree), item, std::move(name), std::move(transport));
}

}  // namespace proa::transport
