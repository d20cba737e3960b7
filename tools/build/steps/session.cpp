#include "tools/build/steps/session.h"

#include <fmt/core.h>

#include "libcommon/archive/layer_apply.h"
#include "libcommon/archive/layer_make.h"
#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "tools/build/cache/key.h"
#include "tools/build/steps/layer_commit.h"

namespace proa::build {
namespace {

// Finished steps become durable at most this much later, so that a build of many short steps pays for few disk flushes.
constexpr auto kFlushInterval = std::chrono::milliseconds(500);

std::string layer_type(const std::string& type, bool docker_format) {
  namespace o = oci;
  bool gzip = type == o::kOciLayerGzip || type == o::kDockerLayerGzip;
  bool plain = type == o::kOciLayer || type == o::kDockerLayer;
  if (gzip) return std::string(docker_format ? o::kDockerLayerGzip : o::kOciLayerGzip);
  if (plain) return std::string(docker_format ? o::kDockerLayer : o::kOciLayer);
  if (docker_format) {
    throw Error(ErrorCode::Unsupported,
                fmt::format("layers of type {} of the base image cannot stand in a docker image", type),
                "build with --format oci");
  }
  return type;
}

}  // namespace

std::string Timestamps::created() const { return format_rfc3339(fixed ? *fixed : now()); }

os::Dir WorkRoot::dir() const {
  return os::Dir(os::open(".", O_PATH | O_DIRECTORY, 0, mount.get()), "the root of the step");
}

std::string owners_name(os::IdMode mode) {
  switch (mode) {
    case os::IdMode::Root:
      return "root";
    case os::IdMode::Full:
      return "full";
    case os::IdMode::Single:
      return "single";
  }
  return "";
}

std::string make_manifest(const Snapshot& snapshot, const oci::Descriptor& config, const ImageSettings& settings) {
  oci::Manifest manifest{.media_type = std::string(settings.docker_format ? oci::kDockerManifest : oci::kOciManifest),
                         .config = config,
                         .annotations = settings.annotations};
  for (oci::Descriptor layer : snapshot.layers) {
    layer.media_type = layer_type(layer.media_type, settings.docker_format);
    manifest.layers.push_back(std::move(layer));
  }
  return oci::Manifest::encode(std::move(manifest)).raw;
}

Session::Session(store::Store store, Timestamps times, bool use_cache)
    : store_(std::move(store)), times_(times), use_cache_(use_cache) {}

Session::~Session() {
  try {
    flush();
  } catch (const std::exception& error) {
    log::warn(fmt::format("finished steps were not kept: {}", error.what()));
  }
}

const os::UserNamespacePlan& Session::plan() {
  if (!plan_) plan_ = os::plan_user_namespace();
  return *plan_;
}

const os::UserNamespacePlan& Session::enter() {
  if (entered_) return *plan_;
  PROA_CHECK(!transaction_ && !scratch_);
  plan_ = os::enter_user_namespace(plan());
  entered_ = true;
  // Descriptors from before belong to the mounts of the old namespace: one can neither rename nor bind across.
  store_ = store::Store::open(store_.root(), store::Store::Create::No);
  for (const auto& action : on_enter_) action();
  if (!plan_->reason.empty()) log::note(plan_->reason + (plan_->hint.empty() ? "" : " (" + plan_->hint + ")"));
  return *plan_;
}

void Session::stay() {
  if (!plan().already_inside) {
    throw Error(ErrorCode::InvalidArgument, "an ordinary user's mounts live in a namespace of their own",
                "start a shell with `proa unshare` first: the mount lasts as long as that shell");
  }
  entered_ = true;
}

store::Transaction& Session::transaction() {
  if (!transaction_) transaction_.emplace(store::Transaction::begin(store_, owners_name(plan().mode)));
  return *transaction_;
}

os::Path Session::scratch_dir(std::string_view purpose) {
  enter();
  if (!scratch_) scratch_.emplace(store::Transaction::begin(store_, owners_name(plan().mode)));
  return scratch_->make_scratch_dir(purpose);
}

void Session::hold(const store::StoredImage& image) {
  if (!lease_) lease_.emplace(store::Lease::create(store_));
  lease_->hold(image);
}

Snapshot Session::with_layer(Snapshot snapshot, const oci::ChainId& chain, const oci::DiffId& diff_id,
                             const oci::Digest& blob, std::uint64_t size, oci::History history) const {
  history.empty_layer = false;
  snapshot.config.diff_ids.push_back(diff_id);
  snapshot.config.history.push_back(std::move(history));
  snapshot.layers.push_back({.media_type = std::string(oci::kOciLayer), .digest = blob, .size = size});
  snapshot.top = chain;
  return snapshot;
}

std::optional<Snapshot> Session::find_step(const std::string& key, const Snapshot& parent, const oci::History& history,
                                           Parent made_on) {
  if (!use_cache_) return std::nullopt;
  if (!cached_) {
    cached_.emplace();
    for (auto& [name, image] : store_.list_cached()) cached_->emplace(name, std::move(image));
  }
  auto found = cached_->find(stored_key(key));
  if (found == cached_->end()) return std::nullopt;
  const store::StoredImage& image = found->second;
  oci::History then = history;
  if (image.created) then.created = image.created;
  Snapshot result = parent;
  result.config.created = then.created;
  if (image.top_layer == parent.top && made_on == Parent::Same) {
    then.empty_layer = true;
    result.config.history.push_back(std::move(then));
    return result;
  }
  if (!image.top_layer) return std::nullopt;
  auto layer = store_.layer(*image.top_layer);
  if (!layer || !layer->blob) return std::nullopt;
  auto size = store_.blob_size(*layer->blob);
  if (!size) return std::nullopt;
  hold(image);
  oci::ChainId chain = made_on == Parent::Any ? put_on(parent, *layer) : layer->chain;
  return with_layer(std::move(result), chain, layer->diff_id, *layer->blob, *size, std::move(then));
}

oci::ChainId Session::put_on(const Snapshot& parent, const store::LayerRecord& layer) {
  std::vector<oci::DiffId> stack = parent.config.diff_ids;
  stack.push_back(layer.diff_id);
  oci::ChainId chain = oci::chain_ids(stack, [](std::string_view text) { return io::digest_of(text); }).back();
  if (chain == layer.chain) return chain;
  enter();
  if (transaction().has_layer(chain)) return chain;
  store::LayerWriter writer = transaction().begin_layer();
  archive::ApplyOptions options;
  options.mode = plan().mode;
  options.whiteouts =
      plan().mode == os::IdMode::Root ? archive::WhiteoutStyle::OverlayTrusted : archive::WhiteoutStyle::OverlayUser;
  std::unique_ptr<io::Source> tar = transaction().open_blob(*layer.blob);
  archive::apply_layer(*tar, writer.diff(), options);
  return writer.commit(parent.top, layer.diff_id, layer.blob);
}

WorkRoot Session::open_plain_root() {
  os::Path upper = os::join(scratch_dir("link"), "upper");
  os::make_dirs(upper, 0755);
  return {os::open(upper, O_PATH | O_DIRECTORY), upper};
}

namespace {

os::OverlayPlan lowers_of(store::Transaction& transaction, const Snapshot& snapshot,
                          const std::optional<os::Path>& stubs, const os::Path& scratch) {
  os::OverlayPlan overlay;
  if (snapshot.top) overlay.lowers = transaction.overlay_lowers(*snapshot.top);
  if (stubs) overlay.lowers.push_back(*stubs);
  if (overlay.lowers.empty()) {
    overlay.lowers.push_back(os::join(scratch, "empty"));
    os::make_dirs(overlay.lowers.back(), 0755);
  }
  return overlay;
}

}  // namespace

WorkRoot Session::open_root(const Snapshot& snapshot, const std::optional<os::Path>& stubs) {
  os::Path scratch = scratch_dir("step");
  os::OverlayPlan overlay = lowers_of(transaction(), snapshot, stubs, scratch);
  overlay.upper = os::join(scratch, "upper");
  overlay.work = os::join(scratch, "work");
  os::make_dirs(overlay.upper, 0755);
  os::make_dirs(overlay.work, 0700);
  overlay.user_xattr = plan().mode != os::IdMode::Root;
  overlay.no_sync = true;  // the transaction flushes what it takes over
  os::Path mount_point = os::join(scratch, "merged");
  os::make_dirs(mount_point, 0755);
  return {os::mount_overlay_any(overlay, mount_point), overlay.upper};
}

WorkRoot Session::open_root_at(const Snapshot& snapshot, const std::optional<os::Path>& stubs, const os::Path& upper,
                               const os::Path& work) {
  os::Path scratch = scratch_dir("root");
  os::OverlayPlan overlay = lowers_of(transaction(), snapshot, stubs, scratch);
  overlay.upper = upper;
  overlay.work = work;
  overlay.user_xattr = plan().mode != os::IdMode::Root;
  os::Path mount_point = os::join(scratch, "merged");
  os::make_dirs(mount_point, 0755);
  return {os::mount_overlay_any(overlay, mount_point), upper};
}

os::UniqueFd Session::mount_read_only(const Snapshot& snapshot) {
  enter();
  os::OverlayPlan overlay;
  if (snapshot.top) overlay.lowers = transaction().overlay_lowers(*snapshot.top);
  os::Path scratch = scratch_dir("from");
  while (overlay.lowers.size() < 2) {  // what overlayfs wants of a read-only mount
    os::Path empty = os::join(scratch, fmt::format("empty{}", overlay.lowers.size()));
    os::make_dirs(empty, 0755);
    overlay.lowers.push_back(empty);
  }
  overlay.user_xattr = plan().mode != os::IdMode::Root;
  os::Path mount_point = os::join(scratch, "merged");
  os::make_dirs(mount_point, 0755);
  return os::mount_overlay_any(overlay, mount_point);
}

Snapshot Session::commit_step(const std::string& key, const Snapshot& parent, WorkRoot root, oci::History history,
                              Parent made_on) {
  std::string created = times_.created();
  history.created = created;
  root.mount.reset();
  Snapshot result;
  if (is_empty_dir(root.upper)) {
    history.empty_layer = true;
    result = parent;
    result.config.history.push_back(std::move(history));
  } else {
    if (times_.fixed) settle_times(root.upper, *times_.fixed, times_.set_all);
    NewLayer layer = store_layer(transaction(), root.upper, parent.top, plan().mode);
    result = with_layer(parent, layer.chain, layer.diff_id, layer.blob, layer.size, std::move(history));
  }
  result.config.created = std::move(created);
  // A layer that is not there cannot be put on another parent.
  if (made_on == Parent::Same || result.top != parent.top) keep_step(key, result);
  return result;
}

Snapshot Session::commit_copy(const Snapshot& parent, const os::Path& upper, oci::History history) {
  enter();
  history.created = times_.created();
  archive::MakeOptions made;
  archive::ApplyOptions applied;
  applied.mode = plan().mode;
  bool root = plan().mode == os::IdMode::Root;
  made.whiteouts = applied.whiteouts =
      root ? archive::WhiteoutStyle::OverlayTrusted : archive::WhiteoutStyle::OverlayUser;
  if (times_.fixed) made.clamp_mtime = times_.fixed->time_since_epoch() / std::chrono::seconds(1);
  store::BlobWriter blob = transaction().begin_blob();
  archive::make_layer(os::Dir::open(upper), blob, made);
  std::uint64_t size = blob.size();
  oci::Digest digest = blob.commit();
  oci::DiffId diff_id(digest);
  store::LayerWriter writer = transaction().begin_layer();
  std::unique_ptr<io::Source> tar = transaction().open_blob(digest);
  archive::apply_layer(*tar, writer.diff(), applied);
  oci::ChainId chain = writer.commit(parent.top, diff_id, digest);
  Snapshot result = with_layer(parent, chain, diff_id, digest, size, std::move(history));
  result.config.created = times_.created();
  return result;
}

// Steps that were done with other ids are others: with one mapped id, a step sees no owner but root. "noted": those of
// versions that did not note what chown asks for are not used.
std::string Session::stored_key(const std::string& key) {
  return key + "-" + owners_name(plan().mode) + (plan().mode == os::IdMode::Single ? "-noted" : "");
}

void Session::keep_step(const std::string& key, const Snapshot& snapshot) {
  oci::ImageConfig config = oci::ImageConfig::encode(snapshot.config);
  oci::Digest digest = transaction().put_blob(config.raw);
  oci::Descriptor descriptor{.media_type = std::string(oci::kOciConfig), .digest = digest, .size = config.raw.size()};
  transaction().put_image(make_manifest(snapshot, descriptor, {}), oci::kOciManifest, {.cache_key = stored_key(key)});
  pending_ = true;
  if (std::chrono::steady_clock::now() - last_flush_ > kFlushInterval) flush();
}

void Session::flush() {
  if (!transaction_ || !pending_) return;
  transaction_->commit();
  transaction_.reset();
  pending_ = false;
  last_flush_ = std::chrono::steady_clock::now();
}

store::StoredImage Session::put_image(const Snapshot& snapshot, const ImageSettings& settings) {
  // Without the time of its making: a build that changes nothing gives the image that is there, with its id.
  Snapshot timeless = snapshot;
  timeless.config.created = std::nullopt;
  if (settings.omit_history) timeless.config.history.clear();
  KeyBuilder builder("image");
  builder.add("config", oci::ImageConfig::encode(timeless.config).raw);
  builder.add("format", settings.docker_format ? "docker" : "oci");
  for (const auto& [name, value] : settings.annotations) builder.add(name, value);
  for (const oci::Descriptor& layer : snapshot.layers) builder.add("layer", layer.digest.str());
  if (times_.fixed) builder.add("time", times_.created());
  std::string key = builder.finish();

  if (use_cache_ && !pending_) {
    // One that was only sent elsewhere is none of the user's: it is made once more.
    auto image = store_.find_cached(key);
    if (image && store_.find_id(image->id)) {
      was_there_ = true;
      for (const oci::Reference& name : settings.names) {
        auto named = store_.find(name.str());
        if (!named || named->manifest.digest != image->manifest.digest) store::tag(store_, *image, name);
      }
      return *image;
    }
  }
  Snapshot final = snapshot;
  final.config.created = times_.created();
  if (settings.omit_history) final.config.history.clear();
  oci::ImageConfig config = oci::ImageConfig::encode(std::move(final.config));
  oci::Digest digest = transaction().put_blob(config.raw);
  oci::Descriptor descriptor{.media_type = std::string(settings.docker_format ? oci::kDockerConfig : oci::kOciConfig),
                             .digest = digest,
                             .size = config.raw.size()};
  std::string manifest = make_manifest(snapshot, descriptor, settings);
  std::string_view type = settings.docker_format ? oci::kDockerManifest : oci::kOciManifest;
  store::StoredImage image = transaction().put_image(manifest, type, {.cache_key = key});
  was_there_ = store_.find_id(image.id).has_value();
  image = transaction().put_image(manifest, type, {.names = settings.names});
  pending_ = true;
  flush();
  return image;
}

void Session::drop(const store::StoredImage& image, const ImageSettings& settings) {
  if (!settings.kept && !was_there_) store::remove_image(store_, image, false);
}

}  // namespace proa::build
