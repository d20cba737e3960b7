#include "libcommon/transport/containers_storage.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "libcommon/base/base64.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/container_storage.h"
#include "libcommon/io/compression.h"
#include "libcommon/oci/json.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/transport/tar_split.h"

namespace proa::transport {

namespace {

constexpr std::uint64_t kMaxTable = 256 << 20;
constexpr const char* kHint = "have podman make the copy: podman save --format oci-archive, then proa load";

struct Driver {
  std::string_view name;
  std::string_view layers;  // folder of unpacked layers below the root
  std::string_view files;   // of one layer
};
constexpr std::array<Driver, 2> kDrivers{{{"overlay", "overlay", "diff"}, {"vfs", "vfs/dir", ""}}};

struct Layer {
  std::string id, parent;
  std::optional<oci::Digest> diff_id;
  std::uint64_t size = 0;
};

struct Image {
  std::string id, top_layer;
  std::vector<std::string> names;
  std::optional<oci::Digest> digest;
};

// How the files beside an image are called: what is more than small letters, digits and dots is encoded.
std::string file_of(const std::string& key) {
  const bool plain = std::all_of(key.begin(), key.end(),
                                 [](char c) { return c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); });
  return plain ? key : "=" + base64_encode(key);
}

class GraphRoot {
 public:
  // nullopt: no store of this driver there.
  static std::optional<GraphRoot> open(const os::Path& path, const Driver& driver) {
    const auto images = os::join(path, fmt::format("{}-images", driver.name));
    if (!os::exists(os::join(images, "images.json"))) return std::nullopt;
    return GraphRoot(path, driver);
  }

  std::vector<Image> images() const {
    std::vector<Image> result;
    const auto json = table(folder("images") + "/images.json");
    if (!json) return result;
    for (const auto& value : *json) {
      const oci::JsonObject entry(value, "images.json");
      result.push_back({.id = file_name(entry, "id"),
                        .top_layer = entry.string_or_empty("layer"),
                        .names = entry.strings_or_empty("names"),
                        .digest = oci::Digest::try_parse(entry.string_or_empty("digest"))});
    }
    return result;
  }

  // Bottom first.
  std::vector<Layer> stack(const std::string& top) const {
    std::map<std::string, Layer> all;
    for (const char* file : {"/layers.json", "/volatile-layers.json"}) {
      const auto json = table(folder("layers") + file);
      if (!json) continue;
      for (const auto& value : *json) add_layer(all, oci::JsonObject(value, "layers.json"));
    }
    std::vector<Layer> result;
    for (std::string id = top; !id.empty(); id = result.back().parent) {
      const auto found = all.find(id);
      if (found == all.end() || result.size() >= oci::kMaxLayers)
        throw Error(ErrorCode::Corrupt, fmt::format("layer {} is not in layers.json", escape_control(id)));
      result.push_back(found->second);
    }
    std::reverse(result.begin(), result.end());
    return result;
  }

  std::string read_beside(const Image& image, const std::string& key, std::uint64_t max_size) const {
    return os::read_file(os::join(folder("images"), image.id + "/" + file_of(key)), max_size);
  }

  std::unique_ptr<io::Source> open_layer(const Layer& layer) const {
    const auto record = os::join(folder("layers"), layer.id + ".tar-split.gz");
    auto file = os::try_open(record, O_RDONLY | O_NOFOLLOW);
    if (!file)
      throw Error(ErrorCode::Unsupported, fmt::format("layer {} has no record of its archive", layer.id), kHint);
    auto files = os::join(os::join(path_, driver_.layers), layer.id);
    if (!driver_.files.empty()) files = os::join(files, driver_.files);
    return open_tar_split(
        io::decompress(std::make_unique<io::FdSource>(std::move(*file), record), io::Compression::Gzip),
        os::Dir::open(files));
  }

 private:
  GraphRoot(os::Path path, const Driver& driver) : path_(std::move(path)), driver_(driver) {}

  os::Path folder(const char* kind) const { return os::join(path_, fmt::format("{}-{}", driver_.name, kind)); }

  static std::optional<nlohmann::json> table(const os::Path& file) {
    const auto text = os::try_read_file(file, kMaxTable);
    if (!text || trim(*text).empty()) return std::nullopt;
    auto json = oci::parse_json(*text, file, kMaxTable);
    if (json.is_null()) return std::nullopt;
    if (!json.is_array()) throw Error(ErrorCode::Corrupt, fmt::format("{} is no list", file));
    return json;
  }

  // Ids become names of files.
  static std::string file_name(const oci::JsonObject& entry, const char* key) {
    auto text = entry.require_string(key);
    if (text.empty() || text.front() == '.' || text.find('/') != std::string::npos) entry.fail(key, "no proper id");
    return text;
  }

  static void add_layer(std::map<std::string, Layer>& all, const oci::JsonObject& entry) {
    Layer layer{.id = file_name(entry, "id"),
                .parent = entry.string_or_empty("parent"),
                .diff_id = oci::Digest::try_parse(entry.string_or_empty("diff-digest")),
                .size = entry.find("diff-size") == nullptr ? 0 : entry.require_size("diff-size")};
    all.insert_or_assign(layer.id, std::move(layer));
  }

  os::Path path_;
  Driver driver_;
};

class ContainersStorageSource final : public ImageSource {
 public:
  ContainersStorageSource(GraphRoot root, const Image& image, std::string name)
      : root_(std::move(root)), name_(std::move(name)) {
    const While reading{[&] { return fmt::format("reading {}", name_); }};
    auto original = oci::Manifest::parse(read_manifest_file(image));
    config_ = root_.read_beside(image, original.config.digest.str(), oci::kMaxConfigSize);
    const auto layers = image.top_layer.empty() ? std::vector<Layer>{} : root_.stack(image.top_layer);
    if (layers.size() != original.layers.size()) {
      throw Error(ErrorCode::Corrupt,
                  fmt::format("{} layers are stored, the manifest has {}", layers.size(), original.layers.size()));
    }
    // What was compressed is not kept: the layers are the plain archives now.
    const bool docker = original.media_type == oci::kDockerManifest;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (!layers[i].diff_id)
        throw Error(ErrorCode::Unsupported, fmt::format("layer {} was only pulled in part", layers[i].id), kHint);
      auto& descriptor = original.layers[i];
      descriptor.media_type = std::string(docker ? oci::kDockerLayer : oci::kOciLayer);
      descriptor.digest = *layers[i].diff_id;
      descriptor.size = layers[i].size;
      descriptor.urls.clear();
      descriptor.annotations.clear();
      layers_.insert_or_assign(descriptor.digest, layers[i]);
    }
    original.raw.clear();
    manifest_ = oci::Manifest::encode(std::move(original));
  }

  std::string name() const override { return name_; }
  bool manifest_is_original() const override { return false; }
  config::PolicyScope policy_scope() const override {
    return {.transport = "containers-storage", .identity = {}, .namespaces = {}};
  }

 protected:
  ManifestBytes read_manifest(const std::optional<oci::Digest>& instance, std::stop_token) const override {
    if (instance) throw Error(ErrorCode::NotFound, fmt::format("{} has no instance {}", name_, instance->str()));
    return {manifest_->raw, manifest_->media_type};
  }

  std::unique_ptr<io::Source> open_blob(const oci::Descriptor& blob, std::stop_token) const override {
    if (blob.digest == manifest_->config.digest) return std::make_unique<io::MemorySource>(config_);
    const auto found = layers_.find(blob.digest);
    if (found == layers_.end())
      throw Error(ErrorCode::NotFound, fmt::format("{} has no layer {}", name_, blob.digest.str()));
    return root_.open_layer(found->second);
  }

 private:
  // Of an image that was chosen from an index, "manifest" may be another one's.
  std::string read_manifest_file(const Image& image) const {
    if (image.digest) {
      try {
        return root_.read_beside(image, "manifest-" + image.digest->str(), oci::kMaxManifestSize);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::NotFound) throw;
      }
    }
    return root_.read_beside(image, "manifest", oci::kMaxManifestSize);
  }

  GraphRoot root_;
  std::string name_, config_;
  std::optional<oci::Manifest> manifest_;
  std::map<oci::Digest, Layer> layers_;
};

bool has_name(const Image& image, const ImageName& name) {
  if (!name.reference) return false;
  // podman gives names without a registry to "localhost".
  const std::string local = "localhost/" + name.image;
  const std::string wanted = name.reference->str();
  return std::any_of(image.names.begin(), image.names.end(), [&](const std::string& candidate) {
    return candidate == wanted || candidate == local || candidate == local + ":latest";
  });
}

bool has_id(const Image& image, const ImageName& name) {
  const std::string& text = name.reference ? name.image : name.id;
  const auto digits = text.starts_with("sha256:") ? text.substr(7) : text;
  return is_hex(digits) && image.id.starts_with(digits);
}

// Names come before beginnings of ids.
const Image* choose(const std::vector<Image>& images, const ImageName& name) {
  for (const auto& image : images) {
    if (has_name(image, name)) return &image;
  }
  for (const auto& image : images) {
    if (has_id(image, name)) return &image;
  }
  return nullptr;
}

std::string known_names(const std::vector<Image>& images) {
  std::string text;
  for (const auto& image : images) {
    for (const auto& name : image.names) {
      if (text.size() > 300) return text + ", ...";
      text += (text.empty() ? "it has " : ", ") + escape_control(name);
    }
  }
  return text;
}

}  // namespace

std::unique_ptr<ImageSource> open_containers_storage_source(const ImageName& name) {
  const auto roots = name.path.empty() ? config::container_storage_roots() : std::vector<os::Path>{name.path};
  std::vector<Image> seen;
  bool any = false;
  for (const auto& path : roots) {
    for (const auto& driver : kDrivers) {
      auto root = GraphRoot::open(path, driver);
      if (!root) continue;
      any = true;
      const auto images = root->images();
      if (const auto* found = choose(images, name))
        return std::make_unique<ContainersStorageSource>(std::move(*root), *found, name.str());
      seen.insert(seen.end(), images.begin(), images.end());
    }
  }
  if (!any)
    throw Error(ErrorCode::NotFound, fmt::format("{} is no image store of podman's", roots.front()),
                "name one: containers-storage:[/path/to/storage]IMAGE");
  throw Error(ErrorCode::NotFound, fmt::format("{}: image not known", name.str()), known_names(seen));
}

}  // namespace proa::transport
