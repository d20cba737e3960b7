#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/config/registries.h"
#include "libcommon/store/writer.h"
#include "libcommon/transport/docker_repository.h"
#include "libcommon/transport/layout.h"
#include "libcommon/transport/storage.h"
#include "tools/copy/archive_load.h"
#include "tools/copy/commands.h"
#include "tools/copy/local_store.h"
#include "tools/copy/refused.h"
#include "tools/copy/registry_flags.h"
#include "tools/copy/transfer.h"
#include "tools/copy/trust_flags.h"

namespace proa::copy {

namespace {

struct PullOptions {
  std::vector<std::string> images;
  transport::RegistryOptions registry;
  bool all_tags = false;
  bool quiet = false;
  bool disable_content_trust = true;
  std::string platform, os, arch, variant, progress;
  std::string policy = "always";
  PolicyFlags trust;
};

oci::Platform wanted_platform(const PullOptions& options) {
  if (!options.platform.empty()) {
    if (!options.arch.empty() || !options.os.empty()) {
      throw Error(ErrorCode::InvalidArgument, "--platform option can not be specified with --arch or --os");
    }
    return oci::Platform::parse(options.platform);
  }
  if (options.arch.empty() && options.os.empty() && options.variant.empty()) return oci::Platform::host();
  auto platform = oci::Platform::host();
  if (!options.arch.empty()) platform.architecture = options.arch;
  if (!options.arch.empty() || !options.variant.empty()) platform.variant = options.variant;
  if (!options.os.empty()) platform.os = options.os;
  return oci::normalize(platform);
}

enum class Policy { Always, Missing, Never };

Policy parse_policy(const std::string& text) {
  if (text == "always" || text == "newer") return Policy::Always;
  if (text == "missing" || text == "ifnotpresent") return Policy::Missing;
  if (text == "never") return Policy::Never;
  throw Error(ErrorCode::InvalidArgument, fmt::format("unsupported pull policy \"{}\"", escape_control(text)),
              "choose always, missing, newer or never");
}

class Puller {
 public:
  explicit Puller(const PullOptions& options)
      : options_(options),
        platform_(wanted_platform(options)),
        policy_(parse_policy(options.policy)),
        trust_(load_policy(options.trust)),
        store_(LocalStore::Access::Layers),
        registry_(store_.open_options(options.registry).registry) {}

  // Returns the ids.
  std::vector<std::string> pull(const std::string& text) {
    if (transport::ImageName::has_transport(text)) return pull_from_transport(transport::ImageName::parse(text));
    return pull_reference(text);
  }

 private:
  std::vector<std::string> pull_from_transport(const transport::ImageName& name) {
    if (name.kind == transport::Kind::Docker) return pull_docker({*name.reference});
    if (name.kind == transport::Kind::Storage)
      return {std::string(store_.get(name.reference ? name.reference->str() : name.id).id.hex())};
    const auto source = transport::open_source(name, store_.open_options(options_.registry));
    return {copy(*source, names_for(name))};
  }

  // What an image from a place without registry names is called: the name it has there, in our own namespace.
  static std::vector<oci::Reference> names_for(const transport::ImageName& name) {
    if (name.reference) return {*name.reference};
    if (auto local = local_name(name.image)) return {*local};
    return {};
  }

  std::vector<std::string> pull_reference(const std::string& text) {
    auto reference = oci::Reference::parse_normalized(text);
    if (policy_ != Policy::Always) {
      if (auto present = store_.find(text)) return {std::string(present->id.hex())};
      if (policy_ == Policy::Never) image_not_known(text);
    }
    auto candidates = config::Registries::load().candidates(text);
    if (options_.all_tags) {
      if (reference.tag() || reference.digest())
        throw Error(ErrorCode::InvalidArgument, "tag can't be used with --all-tags");
      return pull_all_tags(candidates);
    }
    return pull_docker(candidates);
  }

  std::vector<std::string> pull_all_tags(const std::vector<oci::Reference>& candidates) {
    const auto name = candidates.front().without_tag_and_digest();
    std::vector<std::string> ids;
    for (const auto& tag : transport::open_repository(name, registry::Access::Pull, registry_).tags()) {
      ids.push_back(pull_docker({name.with_tag(tag)}).front());
    }
    if (ids.empty()) throw Error(ErrorCode::NotFound, fmt::format("{} has no tags", name.str()));
    return ids;
  }

  // The first candidate that can be had. When none can, all their names are told.
  std::vector<std::string> pull_docker(const std::vector<oci::Reference>& candidates) {
    std::vector<std::string> failures;
    for (const auto& candidate : candidates) {
      // A digest says all; a tag beside it only says where it came from.
      const auto reference = candidate.digest() ? candidate.without_tag_and_digest().with_digest(*candidate.digest())
                                                : candidate.with_default_tag();
      try {
        const bool lines = !options_.quiet && options_.progress != "json" && options_.progress != "none";
        if (lines) fmt::print(stderr, "Trying to pull {}...\n", reference.str());
        const auto source = transport::open_docker_source(reference, registry_);
        return {copy(*source, {reference})};
      } catch (const Error& error) {
        // What policy.json forbids under one name is not looked for under the next.
        const bool final = error.code() == ErrorCode::NoSpace || error.code() == ErrorCode::Cancelled ||
                           error.code() == ErrorCode::PermissionDenied;
        if (candidates.size() == 1 || final) throw;
        failures.push_back(fmt::format("{}: {}", reference.str(), error.message()));
      }
    }
    throw Error(ErrorCode::NotFound, fmt::format("{} candidates tried: {}", failures.size(), join(failures, "; ")));
  }

  std::string copy(const transport::ImageSource& source, const std::vector<oci::Reference>& names) {
    TransferProgress progress(options_.quiet, options_.progress);
    const auto destination =
        transport::open_storage_destination(store_.store(), {.names = names, .id_mode = store_.id_mode()});
    image::CopyOptions options;
    options.platform = platform_;
    const auto result =
        image::run_copy(source, *destination, options,
                        {.observer = &progress,
                         .doing = "pulling " + (names.empty() ? source.name() : names.front().familiar()),
                         .policy = trust_});
    progress.summarize();
    return std::string(result.id->hex());
  }

  const PullOptions& options_;
  oci::Platform platform_;
  Policy policy_;
  std::shared_ptr<const config::Policy> trust_;
  LocalStore store_;
  transport::RegistryOptions registry_;
};

cli::ExitCode pull(cli::Context&, const PullOptions& options) {
  Puller puller(options);
  for (const auto& image : options.images) {
    for (const auto& id : puller.pull(image)) fmt::print("{}\n", id);
  }
  return 0;
}

}  // namespace

cli::Command pull_command() {
  using Builder = cli::CommandBuilder<PullOptions>;
  return cli::command<PullOptions>("pull", "Pull images from a registry")
      .flag("all-tags,a", &PullOptions::all_tags, "Pull all tags of the repository")
      .value("arch", &PullOptions::arch, "Architecture instead of this machine's", "ARCH")
      .flag("disable-content-trust", &PullOptions::disable_content_trust, "Accepted for compatibility")
      .hide_last()
      .value("os", &PullOptions::os, "Operating system instead of this machine's", "OS")
      .value("platform", &PullOptions::platform, "Platform of the image", "OS/ARCH[/VARIANT]")
      .value("policy", &PullOptions::policy, "When to pull: always, missing, newer, never", "POLICY")
      .flag("quiet,q", &PullOptions::quiet, "Print the image id only")
      .value("variant", &PullOptions::variant, "Variant of the architecture", "VARIANT")
      .with([](Builder& b) { registry_flags(b, &PullOptions::registry); })
      .with([](Builder& b) { retry_flags(b, &PullOptions::registry, "retry"); })
      .with([](Builder& b) { signature_policy_flag(b, &PullOptions::trust); })
      .with([](Builder& b) { progress_flag(b, &PullOptions::progress); })
      .with([](Builder& b) { refuse_encryption(b); })
      .positionals("IMAGE [IMAGE...]", &PullOptions::images, 1, cli::kAnyNumber, cli::Complete::Image)
      .runs(pull);
}

}  // namespace proa::copy
