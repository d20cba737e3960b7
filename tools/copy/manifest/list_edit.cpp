#include "tools/copy/manifest/list_edit.h"

#include <fmt/core.h>

#include <algorithm>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/image/copy.h"
#include "libcommon/transport/open.h"

namespace proa::copy {

namespace {

transport::ImageName name_of(LocalStore& local, const std::string& text) {
  if (transport::ImageName::has_transport(text)) return transport::ImageName::parse(text);
  if (const auto image = local.find(text))
    return {
        .kind = transport::Kind::Storage, .path = {}, .image = {}, .index = {}, .reference = {}, .id = image->id.str()};
  return {.kind = transport::Kind::Docker,
          .path = {},
          .image = {},
          .index = {},
          .reference = oci::Reference::parse_normalized(text).with_default_tag(),
          .id = {}};
}

// A tag may move on before the list is pushed: what the digest says cannot.
std::string pinned(const transport::ImageName& name, const oci::Digest& digest) {
  if (name.kind != transport::Kind::Docker) return name.str();
  return "docker://" + name.reference->without_tag_and_digest().with_digest(digest).str();
}

oci::Platform platform_of(const transport::ImageSource& source, const oci::Manifest& manifest) {
  if (!image::is_image_config_type(manifest.config.media_type)) return {};
  const auto content = source.blob(manifest.config, {});
  return oci::ImageConfig::parse(io::read_all(*content, oci::kMaxConfigSize, "image config")).platform;
}

}  // namespace

oci::Reference list_name(const std::string& text) {
  auto name = oci::Reference::parse_normalized(text);
  if (name.digest())
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}: a list has a name, not a digest", escape_control(text)));
  return name.with_default_tag();
}

ListEntries entries_of(LocalStore& local, const std::string& image, const transport::RegistryOptions& registry,
                       bool all, const oci::Platform& platform) {
  const auto name = name_of(local, image);
  const While reading{[&] { return fmt::format("reading {}", name.str()); }};
  const auto source = transport::open_source(name, local.open_options(registry));
  const auto top = source->manifest(std::nullopt, {});
  ListEntries result;
  if (image::is_index(top)) {
    const auto index = oci::Index::parse(top.bytes, top.media_type);
    const auto* chosen = all ? nullptr : index.select(platform);
    if (!all && chosen == nullptr) {
      throw Error(ErrorCode::NotFound, fmt::format("no image for platform {}", platform.str()),
                  "choose with --os, --arch and --variant, or add --all");
    }
    for (const auto& entry : index.manifests) {
      if (chosen != nullptr && &entry != chosen) continue;
      result.entries.push_back(entry);
      result.sources.push_back(pinned(name, entry.digest));
    }
    return result;
  }
  const auto manifest = oci::Manifest::parse(top.bytes, top.media_type);
  oci::Descriptor entry{.media_type = manifest.media_type,
                        .digest = top.digest(),
                        .size = top.bytes.size(),
                        .urls = {},
                        .annotations = {},
                        .platform = platform_of(*source, manifest),
                        .artifact_type = manifest.artifact_type};
  result.sources.push_back(pinned(name, entry.digest));
  result.entries.push_back(std::move(entry));
  return result;
}

void add_annotations(oci::Annotations& annotations, const std::vector<std::string>& texts) {
  for (const auto& text : texts) {
    const auto parts = cut(text, "=");
    if (!parts)
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("no value given for annotation \"{}\"", escape_control(text)));
    annotations.insert_or_assign(std::string(parts->first), std::string(parts->second));
  }
}

void change_entry(oci::Descriptor& entry, const EntryChanges& changes) {
  const bool of_platform = !changes.os.empty() || !changes.arch.empty() || !changes.variant.empty() ||
                           !changes.os_version.empty() || !changes.os_features.empty();
  if (of_platform) {
    auto platform = entry.platform.value_or(oci::Platform{});
    if (!changes.os.empty()) platform.os = changes.os;
    if (!changes.arch.empty()) {
      platform.architecture = changes.arch;
      platform.variant.clear();
    }
    if (!changes.variant.empty()) platform.variant = changes.variant;
    if (!changes.os_version.empty()) platform.os_version = changes.os_version;
    if (!changes.os_features.empty()) platform.os_features = changes.os_features;
    entry.platform = std::move(platform);
  }
  add_annotations(entry.annotations, changes.annotations);
}

void add_entries(store::ImageList& list, const ListEntries& entries) {
  for (std::size_t i = 0; i < entries.entries.size(); ++i) {
    const auto& entry = entries.entries[i];
    auto& all = list.index.manifests;
    const auto same =
        std::find_if(all.begin(), all.end(), [&](const auto& present) { return present.digest == entry.digest; });
    same == all.end() ? all.push_back(entry) : void(*same = entry);
    list.sources.insert_or_assign(entry.digest, entries.sources[i]);
  }
}

}  // namespace proa::copy
