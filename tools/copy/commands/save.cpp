#include <fmt/core.h>
#include <unistd.h>

#include <map>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/transport/docker_archive.h"
#include "libcommon/transport/storage.h"
#include "tools/copy/commands.h"
#include "tools/copy/local_store.h"
#include "tools/copy/transfer.h"
#include "tools/copy/trust_flags.h"

namespace proa::copy {

namespace {

struct SaveOptions {
  std::vector<std::string> images;
  std::string format = "docker-archive";
  std::string output, platform, progress;
  bool multi_image_archive = false;
  bool compress = false;
  bool uncompressed = false;
  bool quiet = false;
};

struct Chosen {
  store::StoredImage image;
  std::optional<oci::Reference> name;  // none when it was asked for by id
};

Chosen choose(LocalStore& local, const std::string& text) {
  Chosen chosen{.image = local.get(text), .name = std::nullopt};
  if (chosen.image.id.hex().starts_with(text) || chosen.image.id.str().starts_with(text)) return chosen;
  const auto reference = oci::Reference::parse_normalized(text);
  if (!reference.digest()) chosen.name = reference.with_default_tag();
  return chosen;
}

std::string doing_of(const Chosen& chosen) {
  return "saving " + (chosen.name ? chosen.name->familiar() : chosen.image.id.digest().short_id());
}

std::unique_ptr<transport::ImageSource> open_image(LocalStore& local, const store::StoredImage& image) {
  return transport::open_storage_source(transport::ImageName{.kind = transport::Kind::Storage, .id = image.id.str()},
                                        local.store());
}

void save_docker_archive(LocalStore& local, const std::vector<Chosen>& images, const std::string& output,
                         TransferProgress& progress) {
  transport::DockerArchive archive(output);
  for (const auto& chosen : images) {
    const auto source = open_image(local, chosen.image);
    const auto destination = archive.add_image(chosen.name ? std::vector{*chosen.name} : std::vector<oci::Reference>{});
    image::run_copy(*source, *destination, {},
                    {.observer = &progress, .doing = doing_of(chosen), .policy = policy_for_own_images()});
  }
  archive.commit();
}

void save_one(LocalStore& local, const Chosen& chosen, transport::ImageName target, const SaveOptions& options,
              TransferProgress& progress) {
  if (target.kind == transport::Kind::OciArchive && chosen.name) target.image = chosen.name->str();
  auto open_options = local.open_options({});
  open_options.accept_uncompressed = options.uncompressed;
  open_options.dir_compress = options.compress;
  const auto source = open_image(local, chosen.image);
  const auto destination = transport::open_destination(target, open_options);
  image::run_copy(*source, *destination, {},
                  {.observer = &progress, .doing = doing_of(chosen), .policy = policy_for_own_images()});
}

cli::ExitCode save(cli::Context&, const SaveOptions& options) {
  LocalStore local(LocalStore::Access::Read);
  std::vector<Chosen> images;
  for (const auto& text : options.images) {
    images.push_back(choose(local, text));
    require_platform(images.back().image, text, options.platform);
  }
  std::string output = options.output;
  const bool directory = options.format == "oci-dir" || options.format == "docker-dir";
  if (output.empty() || output == "-") {
    if (directory) throw Error(ErrorCode::InvalidArgument, "--output is required for this format");
    if (::isatty(STDOUT_FILENO) == 1) {
      throw Error(ErrorCode::InvalidArgument, "refusing to save to a terminal",
                  "use -o FILE, or redirect standard output");
    }
    output = "/dev/stdout";
  }
  TransferProgress progress(options.quiet, options.progress);
  if (options.format == "docker-archive") {
    save_docker_archive(local, images, output, progress);
    return 0;
  }
  using transport::Kind;
  const std::map<std::string, Kind> kinds = {
      {"oci-archive", Kind::OciArchive}, {"oci-dir", Kind::OciLayout}, {"docker-dir", Kind::Dir}};
  const auto kind = kinds.find(options.format);
  if (kind == kinds.end()) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("unknown format \"{}\"", escape_control(options.format)),
                "choose docker-archive, oci-archive, oci-dir or docker-dir");
  }
  if (images.size() > 1) throw Error(ErrorCode::InvalidArgument, "several images go into a docker-archive only");
  save_one(local, images.front(), transport::ImageName{.kind = kind->second, .path = output}, options, progress);
  return 0;
}

}  // namespace

cli::Command save_command() {
  return cli::command<SaveOptions>("save", "Save images to an archive")
      .flag("compress", &SaveOptions::compress, "Compress layers (docker-dir)")
      .value("format", &SaveOptions::format, "docker-archive, oci-archive, oci-dir or docker-dir", "FORMAT")
      .flag("multi-image-archive,m", &SaveOptions::multi_image_archive,
            "Accepted for compatibility: each argument is an image")
      .value("output,o", &SaveOptions::output, "Write to this file instead of standard output", "FILE",
             cli::Complete::File)
      .value("platform", &SaveOptions::platform, "Fail unless the image is for this platform", "OS/ARCH[/VARIANT]")
      .flag("quiet,q", &SaveOptions::quiet, "Show no progress")
      .flag("uncompressed", &SaveOptions::uncompressed, "Leave uncompressed layers as they are (OCI formats)")
      .with([](cli::CommandBuilder<SaveOptions>& b) { progress_flag(b, &SaveOptions::progress); })
      .positionals("IMAGE [IMAGE...]", &SaveOptions::images, 1, cli::kAnyNumber, cli::Complete::Image)
      .runs(save);
}

}  // namespace proa::copy
