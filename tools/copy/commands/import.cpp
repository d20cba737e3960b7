#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "libcommon/archive/import.h"
#include "libcommon/archive/layer_apply.h"
#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/http/client.h"
#include "libcommon/io/digest_stream.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/os/file.h"
#include "libcommon/store/writer.h"
#include "libcommon/trust/evaluate.h"
#include "tools/copy/commands.h"
#include "tools/copy/config_change.h"
#include "tools/copy/local_store.h"

namespace proa::copy {

namespace {

struct ImportOptions {
  std::vector<std::string> arguments;
  std::vector<std::string> changes;
  std::string message, platform, os, arch, variant;
  bool quiet = false;
};

bool is_url(const std::string& path) { return path.starts_with("http://") || path.starts_with("https://"); }

// Redirects are followed; nothing of ours goes along but the request.
std::unique_ptr<io::Source> fetch(const std::string& url) {
  const http::Client client({.tls = {}, .timeouts = {}, .user_agent = "proa"});
  auto response = client.send({.method = "GET", .url = url, .headers = {}, .body = {}, .timeouts = {}});
  if (response.status != 200)
    throw Error(response.status == 404 ? ErrorCode::NotFound : ErrorCode::Unavailable,
                fmt::format("the server answers {}", response.status));
  return std::move(response.body);
}

os::UniqueFd open_input(const std::string& path) {
  if (path != "-") return os::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (::isatty(STDIN_FILENO) == 1) throw Error(ErrorCode::InvalidArgument, "cannot read an archive from a terminal");
  os::UniqueFd file(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!file.valid()) throw system_error("duplicate standard input");
  return file;
}

// O_NONBLOCK was for the open only: reading a FIFO has to wait.
void make_blocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) throw system_error("fcntl");
}

oci::Platform platform_of(const ImportOptions& options) {
  if (!options.platform.empty()) return oci::Platform::parse(options.platform);
  auto platform = oci::Platform::host();
  if (!options.os.empty()) platform.os = options.os;
  if (!options.arch.empty()) platform.architecture = options.arch;
  if (!options.arch.empty() || !options.variant.empty()) platform.variant = options.variant;
  return oci::normalize(platform);
}

// A plain tar stream, whatever it was compressed with.
std::unique_ptr<io::Source> open_tar(std::unique_ptr<io::Source> input) {
  auto [tar, head] = io::peek(archive::decompress_import(std::move(input)), archive::kTarHeadSize);
  if (!archive::looks_like_tar(io::as_bytes(head))) {
    throw Error(ErrorCode::InvalidArgument, "this is no tar archive, compressed or not");
  }
  return std::move(tar);
}

struct ImportedLayer {
  oci::Descriptor blob;
  oci::DiffId diff_id;
};

// One pass: the plain tar is stored as a blob while it is unpacked.
ImportedLayer import_layer(store::Transaction& transaction, io::Source& tar, os::IdMode mode) {
  auto blob = transaction.begin_blob();
  auto layer = transaction.begin_layer();
  io::TeeSource both(tar, blob);
  archive::ApplyOptions options;
  options.mode = mode;
  options.whiteouts =
      mode == os::IdMode::Root ? archive::WhiteoutStyle::OverlayTrusted : archive::WhiteoutStyle::OverlayUser;
  archive::apply_layer(both, layer.diff(), options);
  const auto size = blob.size();
  const auto digest = blob.commit();
  layer.commit({oci::DiffId(digest)}, digest);
  return {.blob = {.media_type = std::string(oci::kOciLayer), .digest = digest, .size = size},
          .diff_id = oci::DiffId(digest)};
}

oci::ImageConfig make_config(const ImportOptions& options, const oci::DiffId& diff_id) {
  oci::ImageConfig config;
  config.created = format_rfc3339(now());
  config.platform = platform_of(options);
  config.diff_ids = {diff_id};
  oci::History history;
  history.created = config.created;
  history.created_by = "import " + options.arguments.front();
  history.comment = options.message.empty() ? "Imported from " + options.arguments.front() : options.message;
  config.history = {history};
  for (const auto& change : options.changes) apply_change(config, change);
  return config;
}

// An archive has no place and no signatures: policy.json says yes or no to all of them ("tarball").
void require_allowed(const std::string& path) {
  trust::Evaluator(config::Policy::load())
      .require_allowed({.name = path,
                        .scope = {.transport = "tarball", .identity = {}, .namespaces = {}},
                        .reference = std::nullopt,
                        .manifest = {}},
                       [] { return std::vector<trust::Signature>(); });
}

cli::ExitCode import(cli::Context&, const ImportOptions& options) {
  const auto& path = options.arguments.front();
  const While importing{[&] { return fmt::format("importing {}", path); }};
  std::vector<oci::Reference> names;
  if (options.arguments.size() == 2)
    names.push_back(oci::Reference::parse_normalized(options.arguments[1]).with_default_tag());
  // What the user typed is looked at before the archive is read.
  make_config(options, oci::DiffId(io::digest_of("")));
  require_allowed(path);
  os::UniqueFd input;
  if (!is_url(path)) input = open_input(path);
  LocalStore local(LocalStore::Access::Layers);
  if (input.valid()) make_blocking(input.get());
  const auto tar =
      open_tar(input.valid() ? std::unique_ptr<io::Source>(std::make_unique<io::FdSource>(std::move(input), path))
                             : fetch(path));

  auto transaction = store::Transaction::begin(local.store(), local.owners());
  const auto layer = import_layer(transaction, *tar, local.id_mode());
  const auto config = oci::ImageConfig::encode(make_config(options, layer.diff_id));
  oci::Manifest manifest{.media_type = std::string(oci::kOciManifest),
                         .config = {.media_type = std::string(oci::kOciConfig),
                                    .digest = transaction.put_blob(config.raw),
                                    .size = config.raw.size()},
                         .layers = {layer.blob}};
  manifest = oci::Manifest::encode(std::move(manifest));
  const auto image = transaction.put_image(manifest.raw, manifest.media_type, {.names = names});
  transaction.commit();
  fmt::print("{}\n", image.id.str());
  return 0;
}

}  // namespace

cli::Command import_command() {
  return cli::command<ImportOptions>("import", "Make an image from a root file-system archive")
      .value("arch", &ImportOptions::arch, "Architecture of the image", "ARCH")
      .value("change,c", &ImportOptions::changes,
             "Instruction for the config: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ...", "INSTRUCTION")
      .value("message,m", &ImportOptions::message, "Comment in the history", "TEXT")
      .value("os", &ImportOptions::os, "Operating system of the image", "OS")
      .value("platform", &ImportOptions::platform, "Platform of the image", "OS/ARCH[/VARIANT]")
      .flag("quiet,q", &ImportOptions::quiet, "Accepted for compatibility: only the id is printed")
      .value("variant", &ImportOptions::variant, "Variant of the architecture", "VARIANT")
      .positionals("FILE|URL|- [NAME]", &ImportOptions::arguments, 1, 2, cli::Complete::File)
      .runs(import);
}

}  // namespace proa::copy
