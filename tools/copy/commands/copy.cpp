#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "tools/copy/commands.h"
#include "tools/copy/local_store.h"
#include "tools/copy/registry_flags.h"
#include "tools/copy/skopeo.h"
#include "tools/copy/transfer.h"
#include "tools/copy/trust_flags.h"

namespace proa::copy {

namespace {

struct CopyFlags {
  std::vector<std::string> names;
  transport::RegistryOptions source, destination;
  PlatformOverride platform;
  bool all = false;
  std::string multi_arch;
  std::vector<std::string> additional_tags;
  std::optional<std::string> source_blob_dir, destination_blob_dir;
  bool accept_uncompressed = false, dir_compress = false, dir_decompress = false;
  std::string compress_format;
  std::optional<int> compress_level;
  bool force_compress_format = false;
  std::string format, digest_file;
  std::optional<unsigned> parallel;
  bool preserve_digests = false;
  bool quiet = false;
  SigningFlags signing;
  PolicyFlags policy;
  bool precompute_digests = false;
  std::string progress, source_daemon, destination_daemon;
};

void choose_instances(image::CopyOptions& result, const CopyFlags& flags) {
  if (flags.all && !flags.multi_arch.empty())
    throw Error(ErrorCode::InvalidArgument, "cannot use --all and --multi-arch flags together");
  if (flags.all || flags.multi_arch == "all") {
    result.instances = image::Instances::All;
  } else if (flags.multi_arch == "index-only") {
    result.instances = image::Instances::IndexOnly;
  } else if (!flags.multi_arch.empty() && flags.multi_arch != "system") {
    // skopeo knows three words; a list of platforms means the index with just these.
    result.instances = image::Instances::Listed;
    for (const auto& text : split(flags.multi_arch, ',')) result.listed.push_back(oci::Platform::parse(text));
  }
}

image::CopyOptions copy_options(const CopyFlags& flags) {
  image::CopyOptions result;
  choose_instances(result, flags);
  result.platform = flags.platform.resolve();
  result.preserve_digests = flags.preserve_digests;
  if (!flags.format.empty()) result.manifest_type = parse_manifest_format(flags.format);
  if (!flags.compress_format.empty()) result.compression = parse_compression(flags.compress_format);
  result.compression_level = flags.compress_level;
  result.force_compression = flags.force_compress_format;
  if (flags.parallel) {
    if (*flags.parallel == 0) throw Error(ErrorCode::InvalidArgument, "--image-parallel-copies must be at least 1");
    result.parallel_layers = *flags.parallel;
  }
  apply_signing(flags.signing, result);
  return result;
}

std::vector<oci::Reference> additional_tags(const CopyFlags& flags) {
  std::vector<oci::Reference> tags;
  for (const auto& text : flags.additional_tags) {
    const auto reference = oci::Reference::parse_normalized(text).with_default_tag();
    if (reference.digest())
      throw Error(ErrorCode::InvalidArgument, fmt::format("--additional-tag {}: not a tag", escape_control(text)));
    tags.push_back(reference);
  }
  return tags;
}

LocalStore::Access access_for(const transport::ImageName& from, const transport::ImageName& to) {
  if (to.kind == transport::Kind::Storage) return LocalStore::Access::Layers;
  return from.kind == transport::Kind::ContainersStorage ? LocalStore::Access::Files : LocalStore::Access::Read;
}

cli::ExitCode run(const CopyFlags& flags) {
  const auto from = transport::ImageName::parse(flags.names[0]);
  const auto to = transport::ImageName::parse(flags.names[1]);
  const auto options = copy_options(flags);
  const auto policy = load_policy(flags.policy);
  LocalStore local(access_for(from, to));
  auto source_options = local.open_options(flags.source);
  source_options.shared_blob_dir = flags.source_blob_dir;
  source_options.daemon_host = flags.source_daemon;
  auto destination_options = local.open_options(flags.destination);
  destination_options.registry.sessions = source_options.registry.sessions;
  destination_options.shared_blob_dir = flags.destination_blob_dir;
  destination_options.additional_tags = additional_tags(flags);
  destination_options.accept_uncompressed = flags.accept_uncompressed;
  destination_options.dir_compress = flags.dir_compress;
  destination_options.dir_decompress = flags.dir_decompress;
  destination_options.daemon_host = flags.destination_daemon;

  const auto source = transport::open_source(from, source_options);
  // What is read is looked at before anything is made at the other end.
  source->manifest(std::nullopt, {});
  const auto destination = transport::open_destination(to, destination_options);
  TransferProgress progress(flags.quiet, flags.progress);
  CompressedBlobs blobs(local.paths().cache + "/compressed");
  const auto result =
      image::run_copy(*source, *destination, options, {.observer = &progress, .memory = &blobs, .policy = policy});
  if (!flags.digest_file.empty()) write_new_file(flags.digest_file, result.digest.str());
  progress.summarize();
  return 0;
}

}  // namespace

cli::Command copy_command() {
  using Builder = cli::CommandBuilder<CopyFlags>;
  return cli::command<CopyFlags>("copy", "Copy an image between registries, archives, directories and the store")
      .value("additional-tag", &CopyFlags::additional_tags, "One more tag (docker-archive)", "NAME")
      .flag("all,a", &CopyFlags::all, "Copy all images of an index")
      .flag("dest-compress", &CopyFlags::dir_compress, "Compress layers (dir)")
      .value("dest-compress-format", &CopyFlags::compress_format,
             "Compress layers with gzip or zstd, or keep them uncompressed", "FORMAT")
      .value("dest-compress-level", &CopyFlags::compress_level, "Level of the compression", "N")
      .value("dest-daemon-host", &CopyFlags::destination_daemon, "Address of the engine (docker-daemon)", "HOST")
      .flag("dest-decompress", &CopyFlags::dir_decompress, "Decompress layers (dir)")
      .flag("dest-force-compress-format", &CopyFlags::force_compress_format,
            "Compress again what is compressed in another format")
      .flag("dest-oci-accept-uncompressed-layers", &CopyFlags::accept_uncompressed,
            "Leave uncompressed layers as they are (oci)")
      .flag("dest-precompute-digests", &CopyFlags::precompute_digests, "Accepted for compatibility")
      .hide_last()
      .value("dest-shared-blob-dir", &CopyFlags::destination_blob_dir, "Folder of blobs shared by layouts (oci)", "DIR")
      .value("digestfile", &CopyFlags::digest_file, "Write the digest of the copy to this new file", "FILE",
             cli::Complete::File)
      .value("format,f", &CopyFlags::format, "Manifest format: oci, v2s2", "FORMAT")
      .value("image-parallel-copies", &CopyFlags::parallel, "Layers at once", "N")
      .value("multi-arch", &CopyFlags::multi_arch, "Of an index: system, all, index-only, or a list of platforms",
             "WHAT")
      .flag("preserve-digests", &CopyFlags::preserve_digests, "Fail where a digest would change")
      .flag("quiet,q", &CopyFlags::quiet, "Show no progress")
      .value("src-daemon-host", &CopyFlags::source_daemon, "Address of the engine (docker-daemon)", "HOST")
      .value("src-shared-blob-dir", &CopyFlags::source_blob_dir, "Folder of blobs shared by layouts (oci)", "DIR")
      .with([](Builder& b) { progress_flag(b, &CopyFlags::progress); })
      .with([](Builder& b) { refuse_encryption(b); })
      .with([](Builder& b) { policy_flags(b, &CopyFlags::policy); })
      .with([](Builder& b) {
        registries_d_flag(b, {&CopyFlags::source, &CopyFlags::destination});
      })
      .with([](Builder& b) { signing_flags(b, &CopyFlags::signing); })
      .with([](Builder& b) { sign_identity_flag(b, &CopyFlags::signing); })
      .with([](Builder& b) { platform_flags(b, &CopyFlags::platform); })
      .with([](Builder& b) {
        common_registry_flags(b, {&CopyFlags::source, &CopyFlags::destination});
      })
      .with([](Builder& b) { endpoint_flags(b, &CopyFlags::source, "src-"); })
      .with([](Builder& b) { endpoint_flags(b, &CopyFlags::destination, "dest-"); })
      .positionals("SOURCE DESTINATION", &CopyFlags::names, 2, 2)
      .runs([](cli::Context&, const CopyFlags& flags) { return with_skopeo_exit([&] { return run(flags); }); });
}

}  // namespace proa::copy
