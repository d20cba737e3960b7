#include <fcntl.h>
#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/os/file.h"
#include "tools/copy/commands.h"
#include "tools/copy/local_store.h"
#include "tools/copy/skopeo.h"
#include "tools/copy/sync/source.h"
#include "tools/copy/transfer.h"
#include "tools/copy/trust_flags.h"

namespace proa::copy {

namespace {

struct SyncFlags {
  std::vector<std::string> names;
  std::string from, to;
  transport::RegistryOptions source, destination;
  PlatformOverride platform;
  bool all = false, dry_run = false, keep_going = false, preserve_digests = false, scoped = false;
  SigningFlags signing;
  PolicyFlags policy;
  std::string append_suffix, format, digest_file;
};

std::vector<SyncGroup> find_images(const SyncFlags& flags) {
  const auto& source = flags.names[0];
  std::vector<SyncGroup> groups;
  if (flags.from == "docker") {
    groups.push_back(sync_docker_source(source, flags.source));
  } else if (flags.from == "dir") {
    groups.push_back(sync_dir_source(source));
  } else {
    groups = sync_yaml_source(source, flags.source);
  }
  for (const auto& group : groups) {
    if (group.images.empty() && flags.from != "yaml")
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("No images to sync found in \"{}\"", escape_control(group.name)));
  }
  return groups;
}

transport::ImageName target_of(const SyncFlags& flags, const SyncImage& image) {
  std::string path = image.path;
  if (!flags.scoped) path = path.substr(path.find_last_of('/') + 1);
  path = os::join(flags.names[1], path) + flags.append_suffix;
  if (flags.to == "docker") {
    return {.kind = transport::Kind::Docker, .reference = oci::Reference::parse_normalized(path).with_default_tag()};
  }
  return {.kind = transport::Kind::Dir, .path = path};
}

class Syncer {
 public:
  explicit Syncer(const SyncFlags& flags)
      : flags_(flags),
        local_(LocalStore::Access::Read),
        blobs_(local_.paths().cache + "/compressed"),
        progress_(flags.dry_run) {
    options_.instances = flags.all ? image::Instances::All : image::Instances::System;
    options_.platform = flags.platform.resolve();
    options_.preserve_digests = flags.preserve_digests;
    apply_signing(flags.signing, options_);
    policy_ = load_policy(flags.policy);
    if (!flags.format.empty()) options_.manifest_type = parse_manifest_format(flags.format);
    if (!flags.digest_file.empty() && !flags.dry_run)
      digests_ = os::open(flags.digest_file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  }

  void copy(const SyncGroup& group, const SyncImage& image) {
    const auto target = target_of(flags_, image);
    if (target.kind == transport::Kind::Dir) {
      if (os::exists(target.path)) {
        throw Error(ErrorCode::InvalidArgument,
                    fmt::format("Refusing to overwrite destination directory \"{}\"", escape_control(target.path)));
      }
      if (!flags_.dry_run) os::make_dirs(target.path.substr(0, target.path.find_last_of('/')), 0755);
    }
    if (flags_.dry_run) {
      fmt::print(stderr, "Would have copied image from {} to {}\n", image.source.str(), target.str());
      return;
    }
    const auto source = transport::open_source(image.source, local_.open_options(group.registry));
    source->manifest(std::nullopt, {});
    const auto destination = transport::open_destination(target, local_.open_options(flags_.destination));
    const auto result = image::run_copy(*source, *destination, options_,
                                        {.observer = &progress_, .memory = &blobs_, .policy = policy_});
    if (digests_.valid())
      os::write_all(digests_.get(), fmt::format("{} {}\n", result.digest.str(), target.str()), flags_.digest_file);
  }

 private:
  const SyncFlags& flags_;
  LocalStore local_;
  CompressedBlobs blobs_;
  TransferProgress progress_;
  image::CopyOptions options_;
  std::shared_ptr<const config::Policy> policy_;
  os::UniqueFd digests_;
};

void check_transport(const char* flag, const std::string& text, const std::vector<std::string>& known) {
  if (text.empty()) throw Error(ErrorCode::InvalidArgument, fmt::format("A {} transport must be specified", flag));
  for (const auto& name : known) {
    if (text == name) return;
  }
  throw Error(ErrorCode::InvalidArgument, fmt::format("\"{}\" is not a valid {} transport", escape_control(text), flag),
              "choose one of " + join(known, ", "));
}

cli::ExitCode run(const SyncFlags& flags) {
  check_transport("source", flags.from, {"docker", "dir", "yaml"});
  check_transport("destination", flags.to, {"docker", "dir"});
  if (flags.from == "dir" && flags.to == "dir")
    throw Error(ErrorCode::InvalidArgument, "sync from 'dir' to 'dir' not implemented, consider using rsync instead");
  Syncer syncer(flags);
  const auto groups = find_images(flags);
  std::size_t done = 0, failed = 0;
  for (const auto& group : groups) {
    for (std::size_t i = 0; i < group.images.size(); ++i) {
      if (!flags.dry_run)
        fmt::print(stderr, "Copying image {} ({}/{})\n", group.images[i].source.str(), i + 1, group.images.size());
      try {
        syncer.copy(group, group.images[i]);
        ++done;
      } catch (const Error& error) {
        if (!flags.keep_going || error.code() == ErrorCode::Cancelled) throw;
        cli::report(error);
        ++failed;
      }
    }
  }
  fmt::print(stderr, "{} {} images from {} sources\n", flags.dry_run ? "Would have synced" : "Synced", done,
             groups.size());
  if (failed > 0)
    throw Error(ErrorCode::Unavailable, "Sync failed due to previous reported error(s) for one or more images");
  return 0;
}

}  // namespace

cli::Command sync_command() {
  using Builder = cli::CommandBuilder<SyncFlags>;
  return cli::command<SyncFlags>("sync", "Copy all images of repositories, folders or lists")
      .flag("all,a", &SyncFlags::all, "Copy all images of an index")
      .value("append-suffix", &SyncFlags::append_suffix, "Text to add to the names at the destination", "TEXT")
      .value("dest,d", &SyncFlags::to, "Transport of the destination: docker or dir", "TRANSPORT")
      .value("digestfile", &SyncFlags::digest_file, "Write digests and names of the copies to this new file", "FILE",
             cli::Complete::File)
      .flag("dry-run", &SyncFlags::dry_run, "Only say what would be copied")
      .value("format,f", &SyncFlags::format, "Manifest format: oci, v2s2", "FORMAT")
      .flag("keep-going", &SyncFlags::keep_going, "Go on with the other images when one fails")
      .flag("preserve-digests", &SyncFlags::preserve_digests, "Fail where a digest would change")
      .flag("scoped", &SyncFlags::scoped, "Keep registry and path of the source in the names at the destination")
      .value("src,s", &SyncFlags::from, "Transport of the source: docker, dir or yaml", "TRANSPORT")
      .with([](Builder& b) { policy_flags(b, &SyncFlags::policy); })
      .with([](Builder& b) {
        registries_d_flag(b, {&SyncFlags::source, &SyncFlags::destination});
      })
      .with([](Builder& b) { signing_flags(b, &SyncFlags::signing); })
      .with([](Builder& b) { platform_flags(b, &SyncFlags::platform); })
      .with([](Builder& b) {
        common_registry_flags(b, {&SyncFlags::source, &SyncFlags::destination});
      })
      .with([](Builder& b) { endpoint_flags(b, &SyncFlags::source, "src-"); })
      .with([](Builder& b) { endpoint_flags(b, &SyncFlags::destination, "dest-"); })
      .positionals("SOURCE DESTINATION", &SyncFlags::names, 2, 2)
      .runs([](cli::Context&, const SyncFlags& flags) { return with_skopeo_exit([&] { return run(flags); }); });
}

}  // namespace proa::copy
