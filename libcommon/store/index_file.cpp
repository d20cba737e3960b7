#include "libcommon/store/index_file.h"

#include <algorithm>
#include <map>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/store/layout.h"

namespace proa::store {
namespace {

using Json = nlohmann::json;

// Annotations of an entry. They are ours because we write them here from verified data; annotations of an image's own
// manifest or of a registry's index never get into this file.
constexpr const char* kRefName = "org.opencontainers.image.ref.name";
constexpr const char* kImageId = "dev.proa.image-id";
constexpr const char* kCreated = "dev.proa.created";
constexpr const char* kSize = "dev.proa.size";
constexpr const char* kTopLayer = "dev.proa.top-layer";
constexpr const char* kRepoDigests = "dev.proa.repo-digests";  // separated by spaces
constexpr const char* kCacheKey = "dev.proa.cache-key";

constexpr std::string_view kHead =
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[\n";
constexpr std::string_view kTail = "\n]}\n";

std::string dump(const Json& json) { return json_text(json); }

[[noreturn]] void corrupt(const std::string& what) {
  throw Error(ErrorCode::Corrupt, "index.json of the image store: " + what, "run `proa system check --repair`");
}

std::string text_or_empty(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> words(std::string_view text) {
  if (text.empty()) return {};
  return split(text, ' ');
}

oci::Descriptor parse_descriptor(const Json& json) {
  auto digest = oci::Digest::try_parse(text_or_empty(json, "digest"));
  auto size = json.find("size");
  if (!digest) corrupt("a manifest without a proper digest");
  if (size == json.end() || !size->is_number_unsigned()) corrupt("no size of manifest " + digest->str());
  oci::Descriptor result{.media_type = text_or_empty(json, "mediaType"),
                         .digest = *digest,
                         .size = size->get<std::uint64_t>(),
                         .urls = {},
                         .annotations = {},
                         .platform = {},
                         .artifact_type = {}};
  auto platform = json.find("platform");
  if (platform != json.end() && platform->is_object()) {
    oci::Platform value;
    value.os = text_or_empty(*platform, "os");
    value.architecture = text_or_empty(*platform, "architecture");
    value.variant = text_or_empty(*platform, "variant");
    value.os_version = text_or_empty(*platform, "os.version");
    result.platform = std::move(value);
  }
  return result;
}

std::optional<oci::ChainId> parse_top_layer(const std::string& text) {
  if (text.empty()) return std::nullopt;
  auto digest = oci::Digest::try_parse(text);
  if (!digest) corrupt("a layer without a proper chain id");
  return oci::ChainId(*digest);
}

// nullopt: not an entry of ours.
std::optional<IndexEntry> parse_entry(const Json& json, const oci::Descriptor& manifest) {
  auto annotations = json.find("annotations");
  if (annotations == json.end() || !annotations->is_object()) return std::nullopt;
  std::string id_text = text_or_empty(*annotations, kImageId);
  if (id_text.empty()) return std::nullopt;
  auto id = oci::Digest::try_parse(id_text);
  auto size = parse_integer<std::uint64_t>(text_or_empty(*annotations, kSize));
  if (!id || !size) corrupt("the entry of manifest " + manifest.digest.str() + " cannot be read");

  IndexEntry entry{.image = {.id = oci::ImageId(*id),
                             .manifest = manifest,
                             .names = {},
                             .repo_digests = words(text_or_empty(*annotations, kRepoDigests)),
                             .created = {},
                             .size = *size,
                             .top_layer = parse_top_layer(text_or_empty(*annotations, kTopLayer))},
                   .cache_key = text_or_empty(*annotations, kCacheKey)};
  std::string name = text_or_empty(*annotations, kRefName);
  if (!name.empty()) entry.image.names.push_back(std::move(name));
  std::string created = text_or_empty(*annotations, kCreated);
  if (!created.empty()) entry.image.created = std::move(created);
  return entry;
}

Json encode_platform(const oci::Platform& platform) {
  Json json = {{"os", platform.os}, {"architecture", platform.architecture}};
  if (!platform.variant.empty()) json["variant"] = platform.variant;
  if (!platform.os_version.empty()) json["os.version"] = platform.os_version;
  return json;
}

Json encode_entry(const IndexEntry& entry) {
  const StoredImage& image = entry.image;
  Json annotations = {{kImageId, image.id.str()}, {kSize, std::to_string(image.size)}};
  if (!image.names.empty()) annotations[kRefName] = image.names.front();
  if (image.created) annotations[kCreated] = *image.created;
  if (image.top_layer) annotations[kTopLayer] = image.top_layer->str();
  if (!image.repo_digests.empty()) annotations[kRepoDigests] = join(image.repo_digests, " ");
  if (!entry.cache_key.empty()) annotations[kCacheKey] = entry.cache_key;
  Json json = {{"mediaType", image.manifest.media_type},
               {"digest", image.manifest.digest.str()},
               {"size", image.manifest.size},
               {"annotations", std::move(annotations)}};
  if (image.manifest.platform) json["platform"] = encode_platform(*image.manifest.platform);
  return json;
}

void add_missing(std::vector<std::string>& to, const std::vector<std::string>& from) {
  for (const std::string& text : from) {
    if (std::find(to.begin(), to.end(), text) == to.end()) to.push_back(text);
  }
}

}  // namespace

namespace {

void add_item(ImageTable& table, const Json& item) {
  if (!item.is_object()) corrupt("an entry is not an object");
  oci::Descriptor manifest = parse_descriptor(item);
  if (auto entry = parse_entry(item, manifest)) {
    table.entries.push_back(std::move(*entry));
  } else {
    table.foreign.push_back(dump(item));
    table.foreign_manifests.push_back(manifest.digest);
  }
}

Json parse_items(std::string_view text) {
  Json json = read_json(text);
  if (!json.is_object()) corrupt("not a JSON object");
  auto manifests = json.find("manifests");
  if (manifests == json.end() || !manifests->is_array()) corrupt("no list of manifests");
  return std::move(*manifests);
}

}  // namespace

ImageTable parse_index(std::string_view text) {
  ImageTable table;
  for (const Json& item : parse_items(text)) add_item(table, item);
  return table;
}

ImageTable parse_index_leniently(std::string_view text, std::vector<std::string>& problems) {
  ImageTable table;
  try {
    for (const Json& item : parse_items(text)) {
      try {
        add_item(table, item);
      } catch (const Error& error) {
        problems.push_back(error.message());
      }
    }
  } catch (const Error& error) {
    problems.push_back(error.message());
  }
  return table;
}

std::string encode_index(const ImageTable& table) {
  std::string text(kHead);
  std::string_view separator;
  auto add = [&](const std::string& item) {
    text.append(separator).append(item);
    separator = ",\n";
  };
  // Text from other tools may be no UTF-8; ours is.
  for (const IndexEntry& entry : table.entries) add(dump(encode_entry(entry)));
  for (const std::string& foreign : table.foreign) add(foreign);
  return text.append(kTail);
}

ImageTable read_index(const Store& store) {
  return parse_index(os::read_file(layout::kIndex, layout::kMaxIndexSize, store.fd()));
}

namespace {

// Calls `use` with each entry's line; false when the text is not as encode_index() writes it.
template <typename Use>
bool for_each_line(std::string_view text, const Use& use) {
  if (!text.starts_with(kHead) || !text.ends_with(kTail)) return false;
  text.remove_prefix(kHead.size());
  text.remove_suffix(kTail.size());
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with(',')) line.remove_suffix(1);
    use(line);
  }
  return true;
}

ImageTable matching_entries(std::string_view text, const std::vector<std::string>& needles) {
  ImageTable table;
  const bool ours = for_each_line(text, [&](std::string_view line) {
    const bool wanted = std::any_of(needles.begin(), needles.end(),
                                    [&](const std::string& needle) { return line.find(needle) != line.npos; });
    if (wanted) add_item(table, read_json(line));
  });
  return ours ? table : parse_index(text);
}

std::string member(std::string_view key, std::string_view value) { return dump(Json(key)) + ":" + dump(Json(value)); }

}  // namespace

ImageTable read_index_for(const Store& store, std::string_view needle) {
  const std::string text = os::read_file(layout::kIndex, layout::kMaxIndexSize, store.fd());
  ImageTable found = matching_entries(text, {std::string(needle)});
  if (found.entries.empty()) return found;
  std::vector<std::string> manifests;
  for (const IndexEntry& entry : found.entries) manifests.push_back(entry.image.manifest.digest.str());
  return matching_entries(text, manifests);
}

std::string needle_for_name(std::string_view canonical_name) { return member(kRefName, canonical_name); }
std::string needle_for_cache_key(std::string_view key) { return member(kCacheKey, key); }

std::string needle_for_id(std::string_view first_hex_digits) {
  std::string needle = member(kImageId, "sha256:" + std::string(first_hex_digits));
  needle.pop_back();  // the quote: a prefix will do
  return needle;
}

std::vector<StoredImage> images_of(const ImageTable& table) {
  std::vector<StoredImage> images;
  std::map<std::string_view, std::size_t> position;
  for (const IndexEntry& entry : table.entries) {
    if (!entry.cache_key.empty()) continue;
    auto [found, is_new] = position.emplace(entry.image.manifest.digest.str(), images.size());
    if (is_new) {
      images.push_back(entry.image);
    } else {
      add_missing(images[found->second].names, entry.image.names);
      add_missing(images[found->second].repo_digests, entry.image.repo_digests);
    }
  }
  auto time_of = [](const StoredImage& image) { return parse_rfc3339(image.created.value_or("")).value_or(Time{}); };
  std::stable_sort(images.begin(), images.end(),
                   [&](const StoredImage& a, const StoredImage& b) { return time_of(a) > time_of(b); });
  return images;
}

}  // namespace proa::store
