// image sign: signatures of images in a registry, into the lookaside of the user.
#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/lookaside.h"
#include "libcommon/image/copy.h"
#include "libcommon/transport/docker_lookaside.h"
#include "libcommon/transport/image_name.h"
#include "libcommon/trust/sign.h"
#include "tools/copy/commands.h"
#include "tools/copy/registry_flags.h"

namespace proa::copy {

namespace {

struct SignOptions {
  std::vector<std::string> images;
  transport::RegistryOptions registry;
  bool all = false;
  std::string directory, key;
};

oci::Reference reference_of(const std::string& text) {
  if (!transport::ImageName::has_transport(text)) return oci::Reference::parse_normalized(text).with_default_tag();
  const auto name = transport::ImageName::parse(text);
  if (name.kind != transport::Kind::Docker)
    throw Error(ErrorCode::InvalidArgument, fmt::format("{}: only images in a registry can be signed", text));
  return *name.reference;
}

std::string folder_for(const SignOptions& options, const oci::Reference& reference) {
  if (!options.directory.empty()) return options.directory;
  const auto url = config::Lookasides::load().url(reference, config::Lookasides::Access::Write);
  const auto folder = transport::lookaside_folder(url);
  if (!folder) {
    throw Error(ErrorCode::InvalidArgument, fmt::format("signatures cannot be written to {}", url),
                "name a folder with --directory");
  }
  return *folder;
}

void sign(const SignOptions& options, const trust::Signer& signer, const std::string& text) {
  const While signing{[&] { return "signing " + escape_control(text); }};
  const auto reference = reference_of(text);
  const auto folder = folder_for(options, reference);
  const auto source = transport::open_docker_source(reference, options.registry);
  const auto top = source->manifest(std::nullopt, {});
  std::vector<oci::Digest> digests = {top.digest()};
  if (options.all && image::is_index(top)) {
    for (const auto& entry : oci::Index::parse(top.bytes, top.media_type).manifests) digests.push_back(entry.digest);
  }
  for (const auto& digest : digests)
    transport::add_to_lookaside(folder, reference, digest, signer.sign(digest, reference));
}

cli::ExitCode run(cli::Context&, const SignOptions& options) {
  if (options.key.empty()) throw Error(ErrorCode::InvalidArgument, "please provide an identity", "use --sign-by");
  const auto signer = trust::make_gpg_signer(options.key, std::nullopt);
  for (const auto& image : options.images) sign(options, *signer, image);
  return 0;
}

}  // namespace

cli::Command image_sign_command() {
  using Builder = cli::CommandBuilder<SignOptions>;
  return cli::command<SignOptions>("sign", "Sign images of a registry with GPG")
      .flag("all,a", &SignOptions::all, "Sign all images of an index")
      .value("directory,d", &SignOptions::directory, "Folder of signatures, instead of what registries.d says", "DIR",
             cli::Complete::Directory)
      .value("sign-by", &SignOptions::key, "GPG key to sign with", "KEY")
      .with([](Builder& b) { registry_flags(b, &SignOptions::registry); })
      .positionals("IMAGE [IMAGE...]", &SignOptions::images, 1, cli::kAnyNumber, cli::Complete::Image)
      .runs(run);
}

}  // namespace proa::copy
