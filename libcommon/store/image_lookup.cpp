// Finding images and what belongs to them.
#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/oci/reference.h"
#include "libcommon/store/index_file.h"
#include "libcommon/store/store.h"

namespace proa::store {
namespace {

constexpr std::size_t kHexDigits = 64;

bool contains(const std::vector<std::string>& texts, const std::string& wanted) {
  return std::find(texts.begin(), texts.end(), wanted) != texts.end();
}

// Hex digits of an id or of a prefix of one; nullopt when the text is something else.
std::optional<std::string_view> id_digits(std::string_view text) {
  if (text.starts_with("sha256:")) text.remove_prefix(7);
  if (!is_hex(text) || text.size() > kHexDigits) return std::nullopt;
  return text;
}

bool has_repository(const StoredImage& image, const std::string& repository) {
  auto of_repository = [&](const std::string& name) {
    oci::Reference reference = oci::Reference::parse(name);
    return reference.name() == repository;
  };
  return std::any_of(image.names.begin(), image.names.end(), of_repository) ||
         std::any_of(image.repo_digests.begin(), image.repo_digests.end(), of_repository);
}

std::optional<StoredImage> find_by_digest(const std::vector<StoredImage>& images, const oci::Reference& reference) {
  const std::string repo_digest = reference.name() + "@" + reference.digest()->str();
  for (const StoredImage& image : images) {
    if (contains(image.repo_digests, repo_digest)) return image;
  }
  for (const StoredImage& image : images) {
    if (image.manifest.digest == *reference.digest() && has_repository(image, reference.name())) return image;
  }
  return std::nullopt;
}

std::optional<StoredImage> find_by_name(const std::vector<StoredImage>& images, const oci::Reference& reference) {
  const std::string name = reference.str();
  for (const StoredImage& image : images) {
    if (contains(image.names, name)) return image;
  }
  return std::nullopt;
}

std::optional<StoredImage> find_by_prefix(const std::vector<StoredImage>& images, std::string_view digits) {
  const StoredImage* found = nullptr;
  for (const StoredImage& image : images) {
    if (!image.id.hex().starts_with(digits)) continue;
    // Two manifests of one config (other compression) are one image to the user.
    if (found != nullptr && found->id != image.id) {
      throw Error(ErrorCode::InvalidArgument, "image id " + std::string(digits) + " is ambiguous", "give more digits");
    }
    if (found == nullptr) found = &image;
  }
  if (found == nullptr) return std::nullopt;
  return *found;
}

std::optional<oci::Reference> parse_reference(std::string_view text, bool may_be_id) {
  try {
    return oci::Reference::parse_normalized(text);
  } catch (const Error&) {
    if (!may_be_id) throw;
    return std::nullopt;
  }
}

}  // namespace

std::vector<StoredImage> Store::list() const { return images_of(read_index(*this)); }

std::optional<StoredImage> Store::find(std::string_view text) const {
  auto digits = id_digits(text);
  auto find_id_digits = [&] {
    return find_by_prefix(images_of(read_index_for(*this, needle_for_id(*digits))), *digits);
  };
  // A whole id first, then names, then prefixes: the order of docker.
  if (digits && digits->size() == kHexDigits) return find_id_digits();
  if (auto reference = parse_reference(text, digits.has_value())) {
    std::optional<StoredImage> found;
    if (reference->digest()) {
      found = find_by_digest(images_of(read_index_for(*this, reference->digest()->str())), *reference);
    } else {
      reference = reference->with_default_tag();
      found = find_by_name(images_of(read_index_for(*this, needle_for_name(reference->str()))), *reference);
    }
    if (found) return found;
  }
  if (digits) return find_id_digits();
  return std::nullopt;
}

StoredImage Store::get(std::string_view text) const {
  if (auto image = find(text)) return std::move(*image);
  throw Error(ErrorCode::NotFound, "no such image: " + escape_control(text));
}

std::optional<StoredImage> Store::find_id(const oci::ImageId& id) const {
  return find_by_prefix(images_of(read_index_for(*this, needle_for_id(id.hex()))), id.hex());
}

std::optional<StoredImage> Store::find_cached(std::string_view cache_key) const {
  ImageTable table = read_index_for(*this, needle_for_cache_key(cache_key));
  for (IndexEntry& entry : table.entries) {
    if (!entry.cache_key.empty() && entry.cache_key == cache_key) return std::move(entry.image);
  }
  return std::nullopt;
}

std::vector<std::pair<std::string, StoredImage>> Store::list_cached() const {
  std::vector<std::pair<std::string, StoredImage>> result;
  for (IndexEntry& entry : read_index(*this).entries) {
    if (!entry.cache_key.empty()) result.emplace_back(std::move(entry.cache_key), std::move(entry.image));
  }
  return result;
}

oci::Manifest Store::manifest(const StoredImage& image) const {
  return oci::Manifest::parse(read_blob(image.manifest.digest, oci::kMaxManifestSize), image.manifest.media_type);
}

oci::ImageConfig Store::config(const StoredImage& image) const {
  return oci::ImageConfig::parse(read_blob(image.id.digest(), oci::kMaxConfigSize));
}

std::vector<LayerRecord> Store::layers(const StoredImage& image) const {
  std::vector<LayerRecord> records;
  if (!image.top_layer) return records;
  auto top = layer(*image.top_layer);
  if (!top) throw Error(ErrorCode::NotFound, "layer " + image.top_layer->str() + " is not in the store");
  for (const oci::ChainId& chain : top->stack) {
    auto record = chain == top->chain ? top : layer(chain);
    if (!record) throw Error(ErrorCode::NotFound, "layer " + chain.str() + " is not in the store");
    records.push_back(std::move(*record));
  }
  return records;
}

std::vector<os::Path> Store::overlay_lowers(const oci::ChainId& top) const {
  auto record = layer(top);
  if (!record) {
    throw Error(ErrorCode::NotFound, "layer " + top.str() + " is not in the store",
                "pull the image again, or run `proa system check --repair`");
  }
  std::vector<os::Path> paths;
  paths.reserve(record->stack.size());
  for (auto chain = record->stack.rbegin(); chain != record->stack.rend(); ++chain) paths.push_back(layer_diff(*chain));
  return paths;
}

std::vector<os::Path> Store::overlay_lowers(const StoredImage& image) const {
  if (!image.top_layer) return {};
  return overlay_lowers(*image.top_layer);
}

}  // namespace proa::store
