// Hidden: an image from another one and a layer on standard input, for `proa commit`.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "libcommon/archive/layer_apply.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/base/time.h"
#include "libcommon/oci/media_types.h"
#include "libcommon/os/file.h"
#include "libcommon/store/writer.h"
#include "tools/copy/commands.h"
#include "tools/copy/config_change.h"
#include "tools/copy/local_store.h"

namespace proa::copy {

namespace {

using Json = nlohmann::json;

struct CommitOptions {
  std::string base, config, author, message, command, iidfile;
  std::vector<std::string> changes, names;
  bool docker = false;
};

void apply_config(oci::ImageConfig& config, const std::string& text) {
  const Json json = read_json(text);
  const auto list = [&](const char* key) { return json.at(key).get<std::vector<std::string>>(); };
  config.env = list("Env");
  config.cmd = list("Cmd");
  config.entrypoint = list("Entrypoint");
  if (config.cmd->empty()) config.cmd.reset();
  if (config.entrypoint->empty()) config.entrypoint.reset();
  config.working_dir = json.at("WorkingDir").get<std::string>();
  config.user = json.at("User").get<std::string>();
  config.labels = json.at("Labels").get<std::map<std::string, std::string>>();
  config.stop_signal = json.at("StopSignal").get<std::string>();
  config.exposed_ports.clear();
  for (const auto& [port, nothing] : json.at("ExposedPorts").items()) config.exposed_ports.push_back(port);
}

oci::ImageConfig make_config(const CommitOptions& options, oci::ImageConfig config, const oci::DiffId& diff_id) {
  apply_config(config, options.config);
  config.created = format_rfc3339(now());
  if (!options.author.empty()) config.author = options.author;
  config.diff_ids.push_back(diff_id);
  oci::History history;
  history.created = config.created;
  history.author = options.author;
  history.created_by = options.command;
  history.comment = options.message;
  config.history.push_back(history);
  for (const auto& change : options.changes) apply_change(config, change);
  return oci::ImageConfig::encode(std::move(config));
}

// Docker's manifest takes docker's layers, and OCI's its own; the bytes are the same.
std::string layer_type(const std::string& type, bool docker) {
  static const std::vector<std::pair<std::string_view, std::string_view>> pairs = {
      {oci::kOciLayer, oci::kDockerLayer},
      {oci::kOciLayerGzip, oci::kDockerLayerGzip},
      {oci::kOciLayerZstd, oci::kDockerLayerZstd}};
  for (const auto& [ours, theirs] : pairs) {
    if (type == ours || type == theirs) return std::string(docker ? theirs : ours);
  }
  return type;
}

oci::Descriptor add_layer(store::Transaction& transaction, const std::optional<oci::ChainId>& parent, os::IdMode mode) {
  auto blob = transaction.begin_blob();
  os::UniqueFd input(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!input.valid()) throw system_error("duplicate standard input");
  io::FdSource tar(std::move(input), "the layer");
  io::copy(tar, blob);
  const auto size = blob.size();
  const auto digest = blob.commit();
  auto layer = transaction.begin_layer();
  archive::ApplyOptions how;
  how.mode = mode;
  how.whiteouts =
      mode == os::IdMode::Root ? archive::WhiteoutStyle::OverlayTrusted : archive::WhiteoutStyle::OverlayUser;
  archive::apply_layer(*transaction.open_blob(digest), layer.diff(), how);
  layer.commit(parent, oci::DiffId(digest), digest);
  return {.media_type = std::string(oci::kOciLayer), .digest = digest, .size = size};
}

cli::ExitCode commit(cli::Context&, const CommitOptions& options) {
  const While committing{"committing a container"};
  std::vector<oci::Reference> names;
  for (const auto& name : options.names) {
    names.push_back(oci::Reference::parse_normalized(name).with_default_tag());
  }
  LocalStore local(LocalStore::Access::Layers);
  const auto base = local.get(options.base);
  oci::Manifest manifest = local.store().manifest(base);
  auto config = local.store().config(base);
  // What the user typed is looked at before anything is stored.
  make_config(options, config, config.diff_ids.empty() ? oci::DiffId(base.manifest.digest) : config.diff_ids.back());
  auto transaction = store::Transaction::begin(local.store(), local.owners());
  manifest.layers.push_back(add_layer(transaction, base.top_layer, local.id_mode()));
  config = make_config(options, std::move(config), oci::DiffId(manifest.layers.back().digest));
  for (auto& layer : manifest.layers) layer.media_type = layer_type(layer.media_type, options.docker);
  manifest.media_type = std::string(options.docker ? oci::kDockerManifest : oci::kOciManifest);
  manifest.config = {.media_type = std::string(options.docker ? oci::kDockerConfig : oci::kOciConfig),
                     .digest = transaction.put_blob(config.raw),
                     .size = config.raw.size()};
  manifest = oci::Manifest::encode(std::move(manifest));
  const auto image = transaction.put_image(manifest.raw, manifest.media_type, {.names = names});
  transaction.commit();
  if (!options.iidfile.empty()) {
    const auto file = os::open(options.iidfile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    os::write_all(file.get(), image.id.str(), options.iidfile);
  }
  fmt::print("{}\n", image.id.str());
  return 0;
}

}  // namespace

cli::Command store_commit_command() {
  return cli::command<CommitOptions>("store-commit", "Store an image made of another one and a layer")
      .value("base", &CommitOptions::base, "Id of the image below", "ID")
      .value("config", &CommitOptions::config, "Config of the container", "JSON")
      .value("author", &CommitOptions::author, "Author", "TEXT")
      .value("message", &CommitOptions::message, "Comment", "TEXT")
      .value("command", &CommitOptions::command, "What made the layer", "TEXT")
      .value("change", &CommitOptions::changes, "Instruction", "INSTRUCTION")
      .value("iidfile", &CommitOptions::iidfile, "File for the id", "FILE")
      .flag("docker", &CommitOptions::docker, "Docker's media types")
      .positionals("[NAME]", &CommitOptions::names, 0, 1)
      .hidden()
      .runs(commit);
}

}  // namespace proa::copy
