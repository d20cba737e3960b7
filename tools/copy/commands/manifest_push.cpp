#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "tools/copy/commands.h"
#include "tools/copy/local_store.h"
#include "tools/copy/manifest/list_edit.h"
#include "tools/copy/manifest/list_source.h"
#include "tools/copy/refused.h"
#include "tools/copy/registry_flags.h"
#include "tools/copy/transfer.h"
#include "tools/copy/trust_flags.h"

namespace proa::copy {

namespace {

struct ManifestPushOptions {
  std::vector<std::string> names;
  transport::RegistryOptions registry;
  bool all = true, quiet = false, remove = false, force_compression = false;
  SigningFlags signing;
  std::string format, compression_format, digest_file, progress;
  std::optional<int> compression_level;
};

transport::ImageName target_name(const std::string& text) {
  if (transport::ImageName::has_transport(text)) return transport::ImageName::parse(text);
  return transport::ImageName::parse("docker://" + text);
}

image::CopyOptions copy_options(const ManifestPushOptions& options) {
  image::CopyOptions result;
  result.instances = options.all ? image::Instances::All : image::Instances::IndexOnly;
  if (!options.format.empty()) result.manifest_type = parse_manifest_format(options.format);
  if (!options.compression_format.empty()) result.compression = parse_compression(options.compression_format);
  result.compression_level = options.compression_level;
  result.force_compression = options.force_compression;
  apply_signing(options.signing, result);
  return result;
}

cli::ExitCode push_list(cli::Context&, const ManifestPushOptions& options) {
  const auto name = list_name(options.names.front());
  const auto target = target_name(options.names.back());
  LocalStore local(options.remove ? LocalStore::Access::Names : LocalStore::Access::Read);
  const auto* store = options.remove ? &local.store() : local.if_present();
  auto list = store == nullptr ? std::nullopt : store::find_list(*store, name);
  if (!list) throw Error(ErrorCode::NotFound, fmt::format("{}: image not known", name.familiar()));
  const auto open_options = local.open_options(options.registry);
  const ListSource source(std::move(*list), open_options);
  const auto destination = transport::open_destination(target, open_options);
  TransferProgress progress(options.quiet, options.progress);
  CompressedBlobs blobs(local.paths().cache + "/compressed");
  const auto result = image::run_copy(source, *destination, copy_options(options),
                                      {.observer = &progress,
                                       .memory = &blobs,
                                       .doing = fmt::format("pushing the list {} to {}", name.familiar(), target.str()),
                                       .policy = policy_for_own_images()});
  if (!options.digest_file.empty()) write_new_file(options.digest_file, result.digest.str());
  progress.summarize();
  if (options.remove) store::remove_list(*store, name);
  return 0;
}

}  // namespace

cli::Command manifest_push_command() {
  using Builder = cli::CommandBuilder<ManifestPushOptions>;
  return cli::command<ManifestPushOptions>("push", "Push a list and its images to a registry")
      .flag("all", &ManifestPushOptions::all, "Push the images of the list, too (the default)")
      .value("compression-format", &ManifestPushOptions::compression_format, "Compress layers with gzip or zstd",
             "FORMAT")
      .value("compression-level", &ManifestPushOptions::compression_level, "Level of the compression", "N")
      .value("digestfile", &ManifestPushOptions::digest_file, "Write the digest of the pushed list to this new file",
             "FILE", cli::Complete::File)
      .flag("force-compression", &ManifestPushOptions::force_compression,
            "Compress again what is compressed in another format")
      .value("format,f", &ManifestPushOptions::format, "Manifest format: oci, v2s2", "FORMAT")
      .custom(
          "insecure",
          [](ManifestPushOptions& o, const std::string& text) {
            if (cli::parse_bool(text)) o.registry.tls_verify = false;
          },
          "Allow registries without (verified) TLS", "")
      .hide_last()
      .flag("purge,p", &ManifestPushOptions::remove, "As --rm")
      .hide_last()
      .flag("quiet,q", &ManifestPushOptions::quiet, "Show no progress")
      .flag("rm", &ManifestPushOptions::remove, "Delete the list when it was pushed")
      .with([](Builder& b) {
        refuse_flag(b, "add-compression", true, "push once more with --compression-format under another name");
      })
      .with([](Builder& b) { progress_flag(b, &ManifestPushOptions::progress); })
      .with([](Builder& b) { signing_flags(b, &ManifestPushOptions::signing); })
      .with([](Builder& b) { registry_flags(b, &ManifestPushOptions::registry); })
      .positionals("LIST [DESTINATION]", &ManifestPushOptions::names, 1, 2)
      .runs(push_list);
}

}  // namespace proa::copy
