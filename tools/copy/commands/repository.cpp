// list-tags, delete and manifest-digest.
#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/image.h"
#include "libcommon/os/file.h"
#include "libcommon/transport/docker_archive.h"
#include "libcommon/transport/docker_repository.h"
#include "libcommon/transport/image_name.h"
#include "tools/copy/commands.h"
#include "tools/copy/skopeo.h"

namespace proa::copy {

namespace {

struct RepositoryOptions {
  std::vector<std::string> names;
  transport::RegistryOptions registry;
};

cli::ExitCode list_tags(const RepositoryOptions& options) {
  nlohmann::ordered_json result;
  const auto& text = options.names.front();
  auto name = transport::ImageName::parse(text);
  if (name.kind == transport::Kind::Docker) {
    const auto written =
        oci::Reference::parse_normalized(std::string_view(text).substr(std::string_view("docker://").size()));
    if (written.tag() || written.digest()) {
      throw Error(ErrorCode::InvalidArgument, "No tag or digest allowed in reference",
                  "write docker://" + written.name());
    }
    result["Repository"] = written.name();
    result["Tags"] = transport::open_repository(written, registry::Access::Pull, options.registry).tags();
  } else if (name.kind == transport::Kind::DockerArchive) {
    result["Tags"] = nlohmann::ordered_json::array();
    for (const auto& item : transport::read_archive_items(*transport::open_tar_tree(name.path))) {
      for (const auto& tag : item.repo_tags) result["Tags"].push_back(tag);
    }
  } else {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("Unsupported transport '{}' for tag listing. Only supported: docker, docker-archive",
                            transport::kind_name(name.kind)));
  }
  fmt::print("{}\n", json_text(result, 4));
  return 0;
}

cli::ExitCode remove(const RepositoryOptions& options) {
  const auto name = transport::ImageName::parse(options.names.front());
  if (name.kind != transport::Kind::Docker) {
    throw Error(ErrorCode::Unsupported, fmt::format("images of {}: cannot be deleted", transport::kind_name(name.kind)),
                name.kind == transport::Kind::Storage ? "use `proa rmi`" : "remove the file or directory");
  }
  const While deleting{[&] { return fmt::format("deleting {}", name.str()); }};
  const auto repository = transport::open_repository(*name.reference, registry::Access::Delete, options.registry);
  const auto digest = repository.manifest_digest(transport::version_of(*name.reference));
  if (!digest) throw Error(ErrorCode::NotFound, "manifest unknown");
  repository.delete_manifest(*digest);
  return 0;
}

struct DigestOptions {
  std::vector<std::string> files;
};

cli::ExitCode manifest_digest(const DigestOptions& options) {
  const auto file = os::open(options.files.front(), O_RDONLY | O_NONBLOCK | O_NOCTTY);
  fmt::print("{}\n", io::digest_of(os::read_fd(file.get(), oci::kMaxManifestSize, options.files.front())).str());
  return 0;
}

cli::Command repository_command(const char* name, const char* summary, cli::ExitCode (*run)(const RepositoryOptions&)) {
  using Builder = cli::CommandBuilder<RepositoryOptions>;
  return cli::command<RepositoryOptions>(name, summary)
      .with([](Builder& b) { common_registry_flags(b, {&RepositoryOptions::registry}); })
      .positionals("IMAGE", &RepositoryOptions::names, 1, 1)
      .runs([run](cli::Context&, const RepositoryOptions& options) {
        return with_skopeo_exit([&] { return run(options); });
      });
}

}  // namespace

cli::Command list_tags_command() { return repository_command("list-tags", "List the tags of a repository", list_tags); }
cli::Command delete_command() { return repository_command("delete", "Delete an image from a registry", remove); }

cli::Command manifest_digest_command() {
  return cli::command<DigestOptions>("manifest-digest", "Print the digest of a manifest file")
      .positionals("FILE", &DigestOptions::files, 1, 1, cli::Complete::File)
      .runs([](cli::Context&, const DigestOptions& options) {
        return with_skopeo_exit([&] { return manifest_digest(options); });
      });
}

}  // namespace proa::copy
