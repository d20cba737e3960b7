#include <fmt/core.h>

#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/template.h"
#include "libcommon/image/copy.h"
#include "libcommon/oci/json.h"
#include "libcommon/transport/docker_repository.h"
#include "tools/copy/commands.h"
#include "tools/copy/local_store.h"
#include "tools/copy/skopeo.h"

namespace proa::copy {

namespace {

using OrderedJson = nlohmann::ordered_json;

struct InspectOptions {
  std::vector<std::string> images;
  transport::RegistryOptions registry;
  PlatformOverride platform;
  std::optional<std::string> shared_blob_dir;
  bool config = false;
  bool raw = false;
  bool no_tags = false;
  std::string format, daemon_host;
};

// The strings come from outside, but JSON escapes control characters itself.
std::string indented(const OrderedJson& json) { return json_text(json, 4) + "\n"; }

OrderedJson layers_data(const oci::Manifest& manifest) {
  OrderedJson list = OrderedJson::array();
  for (const auto& layer : manifest.layers) {
    OrderedJson entry = {{"MIMEType", layer.media_type}, {"Digest", layer.digest.str()}, {"Size", layer.size}};
    entry["Annotations"] = layer.annotations.empty() ? OrderedJson(nullptr) : OrderedJson(layer.annotations);
    list.push_back(std::move(entry));
  }
  return list;
}

OrderedJson summary(const transport::ImageName& name, const image::LoadedImage& image,
                    const std::vector<std::string>& tags) {
  OrderedJson result;
  if (name.kind == transport::Kind::Docker) result["Name"] = name.reference->name();
  if (name.kind != transport::Kind::Docker) result["Name"] = "";
  result["Digest"] = image.top.digest().str();
  result["RepoTags"] = tags;
  const auto* config = image.config ? &*image.config : nullptr;
  if (config == nullptr)
    throw Error(ErrorCode::Unsupported, "this is an artifact, not an image", "use --raw, or --raw --config");
  result["Created"] = config->created.value_or("0001-01-01T00:00:00Z");
  result["DockerVersion"] = "";
  result["Labels"] = config->labels.empty() ? OrderedJson(nullptr) : OrderedJson(config->labels);
  result["Architecture"] = config->platform.architecture;
  if (!config->platform.variant.empty()) result["Variant"] = config->platform.variant;
  result["Os"] = config->platform.os;
  OrderedJson digests = OrderedJson::array();
  for (const auto& layer : image.manifest.layers) digests.push_back(layer.digest.str());
  result["Layers"] = std::move(digests);
  result["LayersData"] = layers_data(image.manifest);
  result["Env"] = config->env.empty() ? OrderedJson(nullptr) : OrderedJson(config->env);
  return result;
}

std::vector<std::string> tags_of(const transport::ImageName& name, const InspectOptions& options) {
  if (name.kind != transport::Kind::Docker || options.no_tags) return {};
  return transport::open_repository(*name.reference, registry::Access::Pull, options.registry).tags();
}

cli::ExitCode run(const InspectOptions& options) {
  const auto name = transport::ImageName::parse(options.images.front());
  LocalStore local(name.kind == transport::Kind::ContainersStorage ? LocalStore::Access::Files
                                                                   : LocalStore::Access::Read);
  auto open_options = local.open_options(options.registry);
  open_options.shared_blob_dir = options.shared_blob_dir;
  open_options.daemon_host = options.daemon_host;
  const auto source = transport::open_source(name, open_options);
  const While inspecting{[&] { return fmt::format("inspecting {}", name.str()); }};
  if (options.raw && !options.config) {
    const auto top = source->manifest(std::nullopt, {});
    fmt::print("{}", top.bytes);
    return 0;
  }
  const auto image = image::load_image(*source, options.platform.resolve(), {});
  if (options.config) {
    const auto content = source->blob(image.manifest.config, {});
    const auto raw = io::read_all(*content, oci::kMaxConfigSize, "image config");
    if (options.raw) {
      fmt::print("{}", raw);
    } else if (options.format.empty()) {
      fmt::print("{}", indented(read_ordered_json(raw)));
    } else {
      fmt::print("{}\n", cli::render(options.format, oci::parse_json(raw, "image config", oci::kMaxConfigSize)));
    }
    return 0;
  }
  const auto result = summary(name, image, tags_of(name, options));
  if (options.format.empty()) {
    fmt::print("{}", indented(result));
  } else {
    fmt::print("{}\n", cli::render(options.format, nlohmann::json(result)));
  }
  return 0;
}

}  // namespace

cli::Command inspect_command() {
  using Builder = cli::CommandBuilder<InspectOptions>;
  return cli::command<InspectOptions>("inspect", "Show what an image is, without pulling it")
      .flag("config", &InspectOptions::config, "Show the configuration")
      .value("daemon-host", &InspectOptions::daemon_host, "Address of the engine (docker-daemon)", "HOST")
      .value("format,f", &InspectOptions::format, "Go template for the output", "TEMPLATE")
      .flag("no-tags,n", &InspectOptions::no_tags, "Do not list the tags of the repository")
      .flag("raw", &InspectOptions::raw, "Show manifest or configuration byte for byte")
      .value("shared-blob-dir", &InspectOptions::shared_blob_dir, "Folder of blobs shared by layouts (oci)", "DIR")
      .with([](Builder& b) { platform_flags(b, &InspectOptions::platform); })
      .with([](Builder& b) { common_registry_flags(b, {&InspectOptions::registry}); })
      .positionals("IMAGE", &InspectOptions::images, 1, 1)
      .runs(
          [](cli::Context&, const InspectOptions& options) { return with_skopeo_exit([&] { return run(options); }); });
}

}  // namespace proa::copy
