#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/transport/storage.h"
#include "tools/copy/archive_load.h"
#include "tools/copy/commands.h"
#include "tools/copy/local_store.h"
#include "tools/copy/transfer.h"
#include "tools/copy/trust_flags.h"

namespace proa::copy {

namespace {

struct LoadOptions {
  std::vector<std::string> none;
  std::string input;
  std::string platform, progress;
  bool quiet = false;
  PolicyFlags policy;
};

std::vector<LoadableImage> open_images(const std::string& input, const std::string& doing) {
  const While loading{[&] { return doing; }};
  return open_archive(input);
}

cli::ExitCode load(cli::Context&, const LoadOptions& options) {
  image::CopyOptions copy_options;
  if (!options.platform.empty()) copy_options.platform = oci::Platform::parse(options.platform);
  const auto policy = load_policy(options.policy);
  LocalStore store(LocalStore::Access::Layers);
  const std::string doing = fmt::format("loading {}", options.input.empty() ? "standard input" : options.input);
  TransferProgress progress(options.quiet, options.progress);
  for (auto& image : open_images(options.input, doing)) {
    const auto destination =
        transport::open_storage_destination(store.store(), {.names = image.names, .id_mode = store.id_mode()});
    const auto result = image::run_copy(*image.source, *destination, copy_options,
                                        {.observer = &progress, .doing = doing, .policy = policy});
    if (image.names.empty()) fmt::print("Loaded image: {}\n", result.id->str());
    for (const auto& name : image.names) fmt::print("Loaded image: {}\n", name.familiar());
  }
  return 0;
}

}  // namespace

cli::Command load_command() {
  return cli::command<LoadOptions>("load", "Load images from an archive")
      .value("input,i", &LoadOptions::input, "Read this archive or directory instead of standard input", "FILE",
             cli::Complete::File)
      .value("platform", &LoadOptions::platform, "Of an image for several platforms take this one", "OS/ARCH[/VARIANT]")
      .flag("quiet,q", &LoadOptions::quiet, "Show no progress")
      .with([](cli::CommandBuilder<LoadOptions>& b) { signature_policy_flag(b, &LoadOptions::policy); })
      .with([](cli::CommandBuilder<LoadOptions>& b) { progress_flag(b, &LoadOptions::progress); })
      .positionals("", &LoadOptions::none, 0, 0)
      .runs(load);
}

}  // namespace proa::copy
