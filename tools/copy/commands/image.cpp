// The verbs that exist below `image` only: exists, inspect, prune, tree.
#include <fmt/core.h>

#include "libcommon/base/bytes.h"
#include "libcommon/base/error.h"
#include "libcommon/base/json.h"
#include "libcommon/base/strings.h"
#include "libcommon/cli/table.h"
#include "libcommon/store/gc.h"
#include "libcommon/store/lease.h"
#include "libcommon/store/writer.h"
#include "tools/copy/commands.h"
#include "tools/copy/image_rows.h"
#include "tools/copy/local_store.h"

namespace proa::copy {

namespace {

struct ImageOptions {
  std::vector<std::string> images;
  std::string format, platform;
  std::vector<std::string> filters;
  bool all = false;
  bool force = false;
  bool build_cache = false;
  bool external = false;
  bool whatrequires = false;
};

using Json = nlohmann::json;

Json config_json(const oci::ImageConfig& config) {
  // The workload's part of the configuration, as it is in the image.
  const auto raw = read_json(config.raw);
  return raw.contains("config") && raw["config"].is_object() ? raw["config"] : Json::object();
}

Json history_json(const oci::ImageConfig& config) {
  const auto raw = read_json(config.raw);
  return raw.contains("history") ? raw["history"] : Json::array();
}

// The shape of `podman image inspect`, with the fields of docker's beside it.
Json inspect_object(const store::Store& store, const store::StoredImage& image) {
  const auto config = store.config(image);
  Json layers = Json::array();
  for (const auto& diff_id : config.diff_ids) layers.push_back(diff_id.str());
  Json lowers = Json::array();
  if (image.top_layer) lowers = store.overlay_lowers(image);
  Json graph = {{"Name", "overlay"}, {"Data", Json::object()}};
  if (!lowers.empty()) graph["Data"]["UpperDir"] = lowers[0];
  if (lowers.size() > 1) {
    std::vector<std::string> rest(lowers.begin() + 1, lowers.end());
    graph["Data"]["LowerDir"] = join(rest, ":");
  }
  Json result = {{"Id", image.id.hex()},
                 {"Digest", image.manifest.digest.str()},
                 {"RepoTags", image.names},
                 {"RepoDigests", image.repo_digests},
                 {"Parent", ""},
                 {"Comment", config.history.empty() ? "" : config.history.back().comment},
                 {"Created", image.created.value_or("")},
                 {"Config", config_json(config)},
                 {"Version", ""},
                 {"Author", config.author},
                 {"Architecture", config.platform.architecture},
                 {"Os", config.platform.os},
                 {"Size", image.size},
                 {"VirtualSize", image.size},
                 {"GraphDriver", std::move(graph)},
                 {"RootFS", {{"Type", "layers"}, {"Layers", std::move(layers)}}},
                 {"Labels", config.labels.empty() ? Json(nullptr) : Json(config.labels)},
                 {"Annotations", store.manifest(image).annotations},
                 {"ManifestType", image.manifest.media_type},
                 {"User", config.user},
                 {"History", history_json(config)},
                 {"NamesHistory", image.names}};
  if (!config.platform.variant.empty()) result["Variant"] = config.platform.variant;
  if (config.healthcheck) result["HealthCheck"] = result["Config"].value("Healthcheck", Json::object());
  return result;
}

cli::ExitCode inspect(cli::Context&, const ImageOptions& options) {
  LocalStore local(LocalStore::Access::Read);
  Json objects = Json::array();
  cli::ExitCode code = 0;
  std::vector<Error> failures;
  for (const auto& name : options.images) {
    try {
      const auto image = local.get(name);
      require_platform(image, name, options.platform);
      objects.push_back(inspect_object(local.store(), image));
    } catch (const Error& error) {
      failures.push_back(error);
      code = 125;
    }
  }
  // As podman does: what was found is printed all the same.
  if (!objects.empty() || options.format.empty()) fmt::print("{}", cli::format_inspect(options.format, objects));
  for (const auto& failure : failures) cli::report(failure);
  return code;
}

cli::ExitCode exists(cli::Context&, const ImageOptions& options) {
  LocalStore local(LocalStore::Access::Read);
  return local.find(options.images.front()) ? 0 : 1;
}

bool confirmed(const std::string& question) {
  fmt::print("{} [y/N] ", question);
  std::fflush(stdout);
  char line[16] = {};
  if (std::fgets(line, sizeof line, stdin) == nullptr) return false;
  return line[0] == 'y' || line[0] == 'Y';
}

cli::ExitCode prune(cli::Context&, const ImageOptions& options) {
  if (!options.force) {
    fmt::print("WARNING! This command removes all {}images{}.\n", options.all ? "" : "dangling ",
               options.all ? " without a container" : "");
    if (!confirmed("Are you sure you want to continue?")) return 0;
  }
  LocalStore local(LocalStore::Access::Layers);
  const auto& store = local.store();
  std::vector<std::string> removed;
  for (const auto& image : filter_images(store, store.list(), options.filters)) {
    if ((!image.names.empty() && !options.all) || !store::uses_of(store, image).empty()) continue;
    store::remove_image(store, image, false);
    removed.push_back(std::string(image.id.hex()));
  }
  if (options.build_cache) store::remove_cached(store, {});
  const auto report = store::collect(store);
  for (const auto& id : removed) fmt::print("{}\n", id);
  fmt::print(stderr, "Total reclaimed space: {}\n", human_size(static_cast<double>(report.bytes)));
  return 0;
}

cli::ExitCode tree(cli::Context&, const ImageOptions& options) {
  LocalStore local(LocalStore::Access::Read);
  const auto image = local.get(options.images.front());
  const auto layers = local.store().layers(image);
  fmt::print("Image ID: {}\n", image.id.digest().short_id());
  fmt::print("Tags:     [{}]\n", join(image.names, " "));
  fmt::print("Size:     {}\n", human_size(static_cast<double>(image.size)));
  fmt::print("Image Layers\n");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const bool last = i + 1 == layers.size();
    fmt::print("{} ID: {} Size: {:>7}{}\n", last ? "└──" : "├──", layers[i].chain.digest().short_id(),
               human_size(static_cast<double>(layers[i].size)),
               last && !image.names.empty() ? fmt::format(" Top Layer of: [{}]", join(image.names, " ")) : "");
  }
  return 0;
}

}  // namespace

cli::Command image_exists_command() {
  return cli::command<ImageOptions>("exists", "Tell by the exit code whether an image is here")
      .positionals("IMAGE", &ImageOptions::images, 1, 1, cli::Complete::Image)
      .runs(exists);
}

cli::Command image_inspect_command() {
  return cli::command<ImageOptions>("inspect", "Show images as JSON")
      .value("format,f", &ImageOptions::format, "Go template for each image", "TEMPLATE")
      .value("platform", &ImageOptions::platform, "Fail unless the image is for this platform", "OS/ARCH[/VARIANT]")
      .positionals("IMAGE [IMAGE...]", &ImageOptions::images, 1, cli::kAnyNumber, cli::Complete::Image)
      .runs(inspect);
}

cli::Command image_prune_command() {
  return cli::command<ImageOptions>("prune", "Remove images without a name")
      .flag("all,a", &ImageOptions::all, "Remove all images that no container uses")
      .flag("build-cache", &ImageOptions::build_cache, "Remove what builds keep for their next run")
      .flag("external", &ImageOptions::external, "Accepted for compatibility")
      .hide_last()
      .value("filter", &ImageOptions::filters, "Only what fits, as in `images --filter`", "KEY=VALUE")
      .flag("force,f", &ImageOptions::force, "Do not ask")
      .runs(prune);
}

cli::Command image_tree_command() {
  return cli::command<ImageOptions>("tree", "Show the layers of an image")
      .flag("whatrequires", &ImageOptions::whatrequires, "Accepted for compatibility")
      .hide_last()
      .positionals("IMAGE", &ImageOptions::images, 1, 1, cli::Complete::Image)
      .runs(tree);
}

}  // namespace proa::copy
