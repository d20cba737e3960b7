#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/transport/json.h"
#include "libcommon/transport/layout.h"

namespace proa::transport {

namespace {

constexpr std::uint64_t kMaxLayoutFile = 64 << 10;

class LayoutSource final : public ImageSource {
 public:
  LayoutSource(std::shared_ptr<const FileTree> tree, std::shared_ptr<const FileTree> shared_blobs,
               oci::Descriptor image, std::string name, config::PolicyScope scope)
      : tree_(std::move(tree)),
        shared_blobs_(std::move(shared_blobs)),
        image_(std::move(image)),
        name_(std::move(name)),
        scope_(std::move(scope)) {}

  std::string name() const override { return name_; }
  config::PolicyScope policy_scope() const override { return scope_; }

 protected:
  ManifestBytes read_manifest(const std::optional<oci::Digest>& instance, std::stop_token) const override {
    if (instance) {
      auto source = open_digest(*instance);
      return {io::read_all(*source, oci::kMaxManifestSize, fmt::format("manifest {}", instance->str())), ""};
    }
    io::VerifyingSource source(open_digest(image_.digest), image_.digest, image_.size,
                               fmt::format("manifest of {}", name_));
    return {io::read_all(source, oci::kMaxManifestSize, fmt::format("manifest of {}", name_)), image_.media_type};
  }

  std::unique_ptr<io::Source> open_blob(const oci::Descriptor& blob, std::stop_token) const override {
    return open_digest(blob.digest);
  }

 private:
  std::unique_ptr<io::Source> open_digest(const oci::Digest& digest) const {
    if (shared_blobs_) return shared_blobs_->open(fmt::format("{}/{}", digest.algorithm_name(), digest.hex()));
    return tree_->open(layout_blob_path(digest));
  }

  std::shared_ptr<const FileTree> tree_, shared_blobs_;
  oci::Descriptor image_;
  std::string name_;
  config::PolicyScope scope_;
};

std::string entry_name(const oci::Descriptor& entry) {
  const auto found = entry.annotations.find(kRefName);
  return found == entry.annotations.end() ? "" : found->second;
}

std::string known_names(const oci::Index& index) {
  std::vector<std::string> names;
  for (const auto& entry : index.manifests) {
    if (auto name = entry_name(entry); !name.empty()) names.push_back(escape_control(name));
    if (names.size() == 20) break;
  }
  return names.empty() ? std::string("it has no named images") : fmt::format("it has {}", join(names, ", "));
}

}  // namespace

std::string layout_blob_path(const oci::Digest& digest) {
  return fmt::format("blobs/{}/{}", digest.algorithm_name(), digest.hex());
}

oci::Index read_layout_index(const FileTree& tree) {
  While reading{[&] { return fmt::format("reading the OCI layout {}", tree.name()); }};
  const auto version = json_string_member(tree.read("oci-layout", kMaxLayoutFile), "imageLayoutVersion");
  if (!version) throw Error(ErrorCode::Corrupt, "oci-layout has no imageLayoutVersion");
  if (!version->starts_with("1.")) {
    throw Error(ErrorCode::Unsupported, fmt::format("layout version {} is not known", escape_control(*version)));
  }
  // The media type of index.json may be left out (image-layout.md).
  return oci::Index::parse(tree.read("index.json", oci::kMaxManifestSize), oci::kOciIndex);
}

oci::Descriptor choose_layout_image(const oci::Index& index, const std::string& image,
                                    std::optional<std::size_t> position, const std::string& layout) {
  if (position) {
    if (*position < index.manifests.size()) return index.manifests[*position];
    throw Error(ErrorCode::NotFound,
                fmt::format("index {} is beyond the {} images of {}", *position, index.manifests.size(), layout));
  }
  if (image.empty()) {
    if (index.manifests.size() == 1) return index.manifests.front();
    if (index.manifests.empty()) throw Error(ErrorCode::NotFound, fmt::format("{} holds no image", layout));
    throw Error(ErrorCode::InvalidArgument, fmt::format("more than one image in {}, choose an image", layout),
                known_names(index));
  }
  for (const auto& entry : index.manifests) {
    if (entry_name(entry) == image) return entry;
  }
  throw Error(ErrorCode::NotFound, fmt::format("no descriptor found for reference \"{}\" in {}", image, layout),
              known_names(index));
}

std::unique_ptr<ImageSource> open_layout_source(const ImageName& name, const OpenOptions& options) {
  std::shared_ptr<const FileTree> tree =
      name.kind == Kind::OciArchive ? open_tar_tree(name.path) : open_directory_tree(name.path);
  std::shared_ptr<const FileTree> shared;
  if (options.shared_blob_dir && name.kind == Kind::OciLayout) shared = open_directory_tree(*options.shared_blob_dir);
  auto image = choose_layout_image(read_layout_index(*tree), name.image, name.index, name.path);
  // Standard input has no place that policy.json could name.
  config::PolicyScope scope{.transport = std::string(kind_name(name.kind)), .identity = {}, .namespaces = {}};
  if (name.path != "-") scope = config::path_scope(scope.transport, name.path);
  return std::make_unique<LayoutSource>(std::move(tree), std::move(shared), std::move(image), name.str(),
                                        std::move(scope));
}

std::unique_ptr<ImageSource> make_layout_source(std::shared_ptr<const FileTree> tree, oci::Descriptor image,
                                                std::string name, config::PolicyScope scope) {
  return std::make_unique<LayoutSource>(std::move(tree), nullptr, std::move(image), std::move(name), std::move(scope));
}

}  // namespace proa::transport
