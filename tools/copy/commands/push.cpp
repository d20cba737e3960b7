#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/log.h"
#include "libcommon/store/writer.h"
#include "libcommon/transport/storage.h"
#include "tools/copy/commands.h"
#include "tools/copy/local_store.h"
#include "tools/copy/refused.h"
#include "tools/copy/registry_flags.h"
#include "tools/copy/transfer.h"
#include "tools/copy/trust_flags.h"

namespace proa::copy {

namespace {

struct PushOptions {
  std::vector<std::string> names;
  transport::RegistryOptions registry;
  bool all_tags = false;
  bool quiet = false;
  bool compress = false;
  bool force_compression = false;
  SigningFlags signing;
  bool disable_content_trust = true;
  std::string format, compression_format, digest_file, platform, progress;
  std::optional<int> compression_level;
};

transport::ImageName destination_name(const std::string& text) {
  if (transport::ImageName::has_transport(text)) return transport::ImageName::parse(text);
  return transport::ImageName{.kind = transport::Kind::Docker,
                              .reference = oci::Reference::parse_normalized(text).with_default_tag()};
}

image::CopyOptions copy_options(const PushOptions& options) {
  image::CopyOptions result;
  if (!options.format.empty()) result.manifest_type = parse_manifest_format(options.format);
  if (!options.compression_format.empty()) result.compression = parse_compression(options.compression_format);
  result.compression_level = options.compression_level;
  result.force_compression = options.force_compression;
  apply_signing(options.signing, result);
  return result;
}

class Pusher {
 public:
  explicit Pusher(const PushOptions& options)
      : options_(options),
        store_(LocalStore::Access::Names),
        blobs_(store_.paths().cache + "/compressed"),
        copy_options_(copy_options(options)),
        progress_(options.quiet, options.progress) {}

  void push(const std::string& local, const transport::ImageName& target) {
    const std::string there = target.kind == transport::Kind::Docker ? target.reference->familiar() : target.str();
    const bool same = there == local || there == local + ":latest";
    const std::string doing = same ? "pushing " + there : fmt::format("pushing {} to {}", local, there);
    const auto image = store_.get(local);
    require_platform(image, local, options_.platform);
    const auto source = transport::open_storage_source(
        transport::ImageName{.kind = transport::Kind::Storage, .id = image.id.str()}, store_.store());
    const auto destination = transport::open_destination(target, store_.open_options(options_.registry));
    const auto result =
        image::run_copy(*source, *destination, copy_options_,
                        {.observer = &progress_, .memory = &blobs_, .doing = doing, .policy = policy_for_own_images()});
    if (target.kind == transport::Kind::Docker) {
      store::add_repo_digest(store_.store(), image,
                             target.reference->without_tag_and_digest().with_digest(result.digest).str());
    }
    progress_.summarize();
    if (!options_.digest_file.empty()) write_new_file(options_.digest_file, result.digest.str());
  }

  void push_all_tags(const std::string& text) {
    const auto wanted = oci::Reference::parse_normalized(text);
    if (wanted.tag() || wanted.digest())
      throw Error(ErrorCode::InvalidArgument, "tag can't be used with --all-tags/-a");
    bool any = false;
    for (const auto& image : store_.store().list()) {
      for (const auto& name : image.names) {
        if (oci::Reference::parse_normalized(name).name() != wanted.name()) continue;
        push(name, destination_name(name));
        any = true;
      }
    }
    if (!any) image_not_known(text);
  }

  const store::StoredImage find(const std::string& text) { return store_.get(text); }

 private:
  const PushOptions& options_;
  LocalStore store_;
  CompressedBlobs blobs_;
  image::CopyOptions copy_options_;
  TransferProgress progress_;
};

cli::ExitCode push(cli::Context&, const PushOptions& options) {
  Pusher pusher(options);
  const auto& local = options.names.front();
  if (options.all_tags) {
    pusher.push_all_tags(local);
    return 0;
  }
  std::string target = local;
  if (options.names.size() == 2) {
    target = options.names[1];
  } else if (const auto image = pusher.find(local); image.id.hex().starts_with(local) || image.id.str() == local) {
    // An id says nothing about where to.
    if (image.names.empty()) {
      throw Error(ErrorCode::InvalidArgument, fmt::format("{} has no name to push it under", local),
                  "give a destination after it");
    }
    target = image.names.front();
  }
  pusher.push(local, destination_name(target));
  return 0;
}

}  // namespace

cli::Command push_command() {
  using Builder = cli::CommandBuilder<PushOptions>;
  return cli::command<PushOptions>("push", "Push an image to a registry")
      .flag("all-tags,a", &PushOptions::all_tags, "Push all tags of the repository")
      .flag("compress", &PushOptions::compress, "Accepted for compatibility: layers are compressed anyway")
      .hide_last()
      .value("compression-format", &PushOptions::compression_format, "Compress layers with gzip or zstd", "FORMAT")
      .value("compression-level", &PushOptions::compression_level, "Level of the compression", "N")
      .value("digestfile", &PushOptions::digest_file, "Write the digest of the pushed image to this new file", "FILE",
             cli::Complete::File)
      .flag("disable-content-trust", &PushOptions::disable_content_trust, "Accepted for compatibility")
      .hide_last()
      .flag("force-compression", &PushOptions::force_compression, "Compress again what is compressed in another format")
      .value("format,f", &PushOptions::format, "Manifest format: oci, v2s2", "FORMAT")
      .value("platform", &PushOptions::platform, "Fail unless the image is for this platform", "OS/ARCH[/VARIANT]")
      .flag("quiet,q", &PushOptions::quiet, "Show no progress")
      .with([](Builder& b) { registry_flags(b, &PushOptions::registry); })
      .with([](Builder& b) { retry_flags(b, &PushOptions::registry, "retry"); })
      .with([](Builder& b) { signing_flags(b, &PushOptions::signing); })
      .with([](Builder& b) { progress_flag(b, &PushOptions::progress); })
      .with([](Builder& b) { refuse_encryption(b); })
      .positionals("IMAGE [DESTINATION]", &PushOptions::names, 1, 2, cli::Complete::Image)
      .runs(push);
}

}  // namespace proa::copy
