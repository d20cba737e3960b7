#include "libcommon/image/copy.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/image/layer_copy.h"
#include "libcommon/image/signing.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/json.h"

namespace proa::image {

namespace {

using transport::ManifestBytes;

// Which of its images an index means for a platform may itself be an index; more levels than this are nobody's
// intention.
constexpr int kMaxIndexDepth = 4;

oci::Descriptor select_instance(const oci::Index& index, const oci::Platform& platform, const std::string& name) {
  const auto* found = index.select(platform);
  if (found != nullptr) return *found;
  std::set<std::string> offered;
  for (const auto& entry : index.manifests) {
    if (entry.platform && entry.platform->os != "unknown") offered.insert(entry.platform->str());
  }
  std::string list;
  for (const auto& text : offered) list += (list.empty() ? "" : ", ") + text;
  throw Error(ErrorCode::NotFound,
              fmt::format("no image found in the index of {} for platform {}", name, platform.str()),
              list.empty() ? std::string() : fmt::format("it offers {}; choose one with --platform", list));
}

ManifestBytes instance_bytes(const transport::ImageSource& source, const oci::Descriptor& entry, std::stop_token stop) {
  auto bytes = source.manifest(entry.digest, std::move(stop));
  if (bytes.bytes.size() != entry.size) {
    throw Error(ErrorCode::Corrupt, fmt::format("manifest {} of {} has {} bytes, its index says {}", entry.digest.str(),
                                                source.name(), bytes.bytes.size(), entry.size));
  }
  bytes.media_type = entry.media_type;
  return bytes;
}

struct Found {
  ManifestBytes manifest;
  std::optional<oci::Digest> instance;  // as an index calls it
};

// From the top document down to the manifest for a platform.
Found descend(const transport::ImageSource& source, ManifestBytes document, const oci::Platform& platform,
              std::stop_token stop) {
  Found found{.manifest = std::move(document), .instance = std::nullopt};
  for (int depth = 0; is_index(found.manifest); ++depth) {
    if (depth == kMaxIndexDepth)
      throw Error(ErrorCode::Corrupt, fmt::format("{}: indexes are nested too deep", source.name()));
    const auto index = oci::Index::parse(found.manifest.bytes, found.manifest.media_type);
    const auto entry = select_instance(index, platform, source.name());
    found = {.manifest = instance_bytes(source, entry, stop), .instance = entry.digest};
  }
  return found;
}

std::string read_config(const transport::ImageSource& source, const oci::Manifest& manifest, std::stop_token stop) {
  if (manifest.config.size > oci::kMaxConfigSize) {
    throw Error(ErrorCode::LimitExceeded,
                fmt::format("config of {} is larger than {} bytes", source.name(), oci::kMaxConfigSize));
  }
  const auto content = source.blob(manifest.config, std::move(stop));
  return io::read_all(*content, oci::kMaxConfigSize, "image config");
}

bool all_image_layers(const oci::Manifest& manifest) {
  for (const auto& layer : manifest.layers) {
    if (!oci::is_layer_type(layer.media_type)) return false;
  }
  return true;
}

// nullopt for artifacts. Attestations of builders carry an image config beside layers that are none: nothing of it is
// used.
std::optional<oci::ImageConfig> parse_config(const oci::Manifest& manifest, const std::string& raw, bool will_unpack) {
  if (!is_image_config_type(manifest.config.media_type)) {
    if (will_unpack) {
      throw Error(ErrorCode::Unsupported,
                  fmt::format("config of type {} is no image configuration", manifest.config.media_type));
    }
    return std::nullopt;
  }
  if (!will_unpack && !all_image_layers(manifest)) return std::nullopt;
  auto config = oci::ImageConfig::parse(raw);
  oci::check_layers(manifest, config);
  return config;
}

std::string describe(const transport::ImageSource& source, const transport::ImageDestination& destination,
                     const CopyContext& context) {
  return context.doing.empty() ? fmt::format("copying {} to {}", source.name(), destination.name()) : context.doing;
}

class Copier {
 public:
  Copier(const transport::ImageSource& source, transport::ImageDestination& destination, const CopyOptions& options,
         const CopyContext& context)
      : source_(source),
        destination_(destination),
        options_(options),
        context_(context),
        signatures_(source, destination, options, context),
        doing_(describe(source, destination, context)) {}

  CopyResult run() {
    const ManifestBytes top = source_.manifest(std::nullopt, context_.stop);
    const bool several = is_index(top) && options_.instances != Instances::System;
    auto result = several ? copy_index(top) : copy_one(top);
    if (const auto name = source_.docker_reference()) destination_.set_origin(*name, top.digest());
    destination_.commit(context_.stop);
    return result;
  }

 private:
  void note(std::string_view line) const {
    if (context_.observer != nullptr) context_.observer->note(line);
  }

  CopyResult copy_one(const ManifestBytes& top) {
    const auto found = descend(source_, top, options_.platform, context_.stop);
    return copy_single(found.manifest, found.instance, std::nullopt);
  }

  // `instance`: what an index of the source calls it. `entry`: the place in an index that this image will have.
  CopyResult copy_single(const ManifestBytes& bytes, const std::optional<oci::Digest>& instance,
                         const std::optional<oci::Descriptor>& entry) {
    // Before anything else of the image is looked at, and on the bytes that everything below is made from.
    signatures_.require_allowed(bytes, instance);
    asked_ = true;
    auto carried = signatures_.carried(bytes, instance);
    const auto manifest = oci::Manifest::parse(bytes.bytes, bytes.media_type);
    const auto present = destination_.present_config(manifest.config);
    const auto raw_config = present ? *present : read_config(source_, manifest, context_.stop);
    const auto config = parse_config(manifest, raw_config, destination_.traits().applies_layers);
    const auto plan = plan_with(carried, [&](const CopyOptions& options) {
      return plan_copy(manifest, config ? &*config : nullptr, destination_.traits(), options);
    });
    copy_config(manifest, raw_config);
    const auto stored = copy_layers(plan, source_, destination_, options_, context_, slot_, doing_);
    slot_ += plan.layers.size();
    const auto written = apply_plan(plan, manifest, stored);
    ManifestBytes result{written.raw, written.media_type};
    const auto digest = plan.keeps_manifest && entry ? entry->digest : result.digest();
    note("Writing manifest to image destination");
    const auto put_as = entry ? std::optional(digest) : std::nullopt;
    destination_.put_manifest(result, put_as, context_.stop);
    signatures_.put(std::move(carried), digest, put_as);
    return {.manifest = std::move(result), .digest = digest, .id = oci::ImageId(written.config.digest)};
  }

  // A signature is worth something only as long as the digest stays.
  CopyPlan plan_with(const std::vector<trust::Signature>& carried,
                     const std::function<CopyPlan(const CopyOptions&)>& plan) const {
    if (carried.empty()) return plan(options_);
    auto options = options_;
    options.preserve_digests = true;
    try {
      return plan(options);
    } catch (const Error& error) {
      if (options_.preserve_digests || error.code() != ErrorCode::InvalidArgument) throw;
      throw Error(error.code(), fmt::format("the image is signed, and {}", error.message()), kRemoveSignatures);
    }
  }

  void copy_config(const oci::Manifest& manifest, const std::string& raw) {
    const std::size_t slot = slot_++;
    if (context_.observer != nullptr)
      context_.observer->blob_started(slot, CopyObserver::Item::Config, manifest.config);
    transport::BlobUse use;
    use.kind = transport::BlobUse::Kind::Config;
    const bool present = destination_.try_reuse(manifest.config, use, source_.docker_reference(), context_.stop);
    if (!present) {
      io::MemorySource content(raw);
      destination_.put_blob(
          {.media_type = manifest.config.media_type,
           .digest = manifest.config.digest,
           .size = manifest.config.size,
           .use = use,
           .reopen = [&raw](std::uint64_t offset) { return std::make_unique<io::MemorySource>(raw.substr(offset)); }},
          content, context_.stop);
    }
    if (context_.observer != nullptr) {
      context_.observer->blob_finished(slot, present ? CopyObserver::Outcome::Reused : CopyObserver::Outcome::Copied);
    }
  }

  bool wanted(const oci::Descriptor& entry) const {
    if (options_.instances == Instances::All) return true;
    if (options_.instances == Instances::IndexOnly || !entry.platform) return false;
    for (const auto& platform : options_.listed) {
      if (oci::match_rank(platform, *entry.platform) == 0) return true;
    }
    return false;
  }

  CopyResult copy_index(const ManifestBytes& top) {
    if (!destination_.traits().accepts_index) {
      throw Error(ErrorCode::Unsupported,
                  fmt::format("{} holds one image only, not an index of several", destination_.name()),
                  "leave out --all, or choose one with --platform");
    }
    auto [result, carried] = copy_entries(top, std::nullopt, 0);
    // Each image in it was asked about on its own; an index without any answers for itself.
    if (!asked_) signatures_.require_allowed(top, std::nullopt);
    note("Writing manifest list to image destination");
    destination_.put_index(result, context_.stop);
    const auto digest = result.digest();
    signatures_.put(std::move(carried), digest, std::nullopt);
    return {.manifest = std::move(result), .digest = digest, .id = std::nullopt};
  }

  struct CopiedIndex {
    ManifestBytes index;  // changed where an entry had to change
    std::vector<trust::Signature> signatures;
  };

  // What an index lists, as far as it is wanted.
  CopiedIndex copy_entries(const ManifestBytes& document, const std::optional<oci::Digest>& instance, int depth) {
    if (depth == kMaxIndexDepth)
      throw Error(ErrorCode::Corrupt, fmt::format("{}: indexes are nested too deep", source_.name()));
    auto index = oci::Index::parse(document.bytes, document.media_type);
    auto carried = signatures_.carried(document, instance);
    const std::string type = plan_index_type(index, destination_.traits(), options_);
    bool changed = type != index.media_type;
    std::size_t number = 0;
    for (auto& entry : index.manifests) {
      if (!wanted(entry)) continue;
      note(fmt::format("Copying image {} ({} of {})", entry.digest.str(), ++number, index.manifests.size()));
      auto found = done_.find(entry.digest);
      if (found == done_.end()) found = done_.emplace(entry.digest, copy_instance(entry, depth)).first;
      changed = changed || found->second.digest != entry.digest;
      entry.media_type = found->second.media_type;
      entry.digest = found->second.digest;
      entry.size = found->second.size;
    }
    if (!changed) return {.index = {document.bytes, index.media_type}, .signatures = std::move(carried)};
    if (options_.preserve_digests)
      throw Error(ErrorCode::InvalidArgument, "digests cannot be preserved: the index has to change");
    if (!carried.empty())
      throw Error(ErrorCode::InvalidArgument, "the index is signed, and it has to change", kRemoveSignatures);
    index.media_type = type;
    return {.index = {oci::Index::encode(std::move(index)).raw, type}, .signatures = {}};
  }

  oci::Descriptor copy_instance(const oci::Descriptor& entry, int depth) {
    const auto bytes = instance_bytes(source_, entry, context_.stop);
    oci::Descriptor result = entry;
    if (oci::is_index_type(entry.media_type)) {
      auto [nested, signatures] = copy_entries(bytes, entry.digest, depth + 1);
      result.media_type = nested.media_type;
      result.digest = nested.bytes == bytes.bytes ? entry.digest : nested.digest();
      result.size = nested.bytes.size();
      destination_.put_manifest(nested, result.digest, context_.stop);
      signatures_.put(std::move(signatures), result.digest, result.digest);
      return result;
    }
    const auto copied = copy_single(bytes, entry.digest, entry);
    result.media_type = copied.manifest.media_type;
    result.digest = copied.digest;
    result.size = copied.manifest.bytes.size();
    return result;
  }

  const transport::ImageSource& source_;
  transport::ImageDestination& destination_;
  const CopyOptions& options_;
  const CopyContext& context_;
  Signing signatures_;
  bool asked_ = false;  // policy.json, about at least one image
  std::string doing_;
  std::size_t slot_ = 0;
  std::map<oci::Digest, oci::Descriptor> done_;  // entries of indexes, by the digest they had
};

}  // namespace

void CopyObserver::blob_started(std::size_t, Item, const oci::Descriptor&) {}
void CopyObserver::blob_advanced(std::size_t, std::uint64_t) {}
void CopyObserver::blob_finished(std::size_t, Outcome) {}
void CopyObserver::note(std::string_view) {}

bool is_index(const ManifestBytes& document) {
  if (oci::is_index_type(document.media_type)) return true;
  if (oci::is_manifest_type(document.media_type)) return false;
  const auto json = oci::parse_json(document.bytes, "manifest", oci::kMaxManifestSize);
  const oci::JsonObject object(json, "manifest");
  return object.has_key("manifests") && !object.has_key("layers");
}

CopyResult run_copy(const transport::ImageSource& source, transport::ImageDestination& destination,
                    const CopyOptions& options, const CopyContext& context) {
  Copier copier(source, destination, options, context);
  const While copying{[&] { return describe(source, destination, context); }};
  return copier.run();
}

LoadedImage load_image(const transport::ImageSource& source, const oci::Platform& platform, std::stop_token stop) {
  auto top = source.manifest(std::nullopt, stop);
  const auto bytes = descend(source, top, platform, stop).manifest;
  auto manifest = oci::Manifest::parse(bytes.bytes, bytes.media_type);
  const auto raw = read_config(source, manifest, stop);
  auto config = parse_config(manifest, raw, false);
  return {
      .top = std::move(top), .manifest = std::move(manifest), .digest = bytes.digest(), .config = std::move(config)};
}

}  // namespace proa::image
